/**
 * bbolt's file format, version 2, as etcd 3.4 to 3.6 use it: pages of a B+ tree, little-endian. Facts from
 * go.etcd.io/bbolt v1.4 (internal/common/page.go, meta.go, bucket.go).
 */
export const MAGIC = 0xed0cdaed;
export const FORMAT_VERSION = 2;

export const PAGE_HEADER_BYTES = 16;
/** Both kinds of element have 16 bytes, followed somewhere in the page by key and value. */
export const ELEMENT_BYTES = 16;
export const META_BYTES = 64;

export const BRANCH_PAGE = 0x01;
export const LEAF_PAGE = 0x02;
export const META_PAGE = 0x04;

/** Flag of a leaf's element whose value is a bucket: its root page and a sequence number, 8 bytes each. */
export const BUCKET_ELEMENT = 0x01;

/** In the meta page: there is no list of free pages, whoever opens the file finds them himself. */
export const NO_FREELIST = 0xffff_ffff_ffff_ffffn;

export interface Meta {
  pageSize: number;
  /** Page of the tree of buckets. */
  root: bigint;
  /** Counts transactions; the meta page with the higher one is valid. */
  transaction: bigint;
}

/** FNV-1a, 64 bits, over what stands before the checksum. */
export function metaChecksum(meta: Buffer): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of meta.subarray(0, META_BYTES - 8)) {
    hash = ((hash ^ BigInt(byte)) * 0x100_0000_01b3n) & 0xffff_ffff_ffff_ffffn;
  }
  return hash;
}
