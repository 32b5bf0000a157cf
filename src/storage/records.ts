/** A living key of a store, of whatever engine: what a copy of the store is made of. */
export interface StoreRecord {
  key: string;
  /** Revision of its last write, in the store that it comes from. */
  modRevision: number;
  value: Buffer;
}

/** All that lives in a store at one revision. */
export interface StoreContent {
  revision: number;
  /** In order of their last writes. */
  records: Iterable<StoreRecord>;
}
