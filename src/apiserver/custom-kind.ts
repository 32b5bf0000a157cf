import type { MergeType } from '../api/apply/merge-type.ts';
import type { Decoded } from '../api/json/decode.ts';
import type { ExactResult } from '../api/json/exact-parser.ts';

/** What a CustomResourceDefinition says of a kind in one version, as the generic code needs it. */
export interface CustomKind {
  /**
   * Brings a parsed object to the form in which it is kept, in place: metadata in its own form, fields that
   * are not declared gone (and named in `strictErrors`), defaults filled in. Throws an E_JSON error where
   * metadata does not fit.
   */
  decode(value: unknown, exact?: ExactResult): Decoded;
  readonly mergeType: MergeType;
}
