import { SlipwayError } from '../base/errors.ts';

/** The revision asked for is older than the compacted one: list again and watch from there. */
export class CompactedError extends SlipwayError {
  readonly compactedRevision: number;

  constructor(requested: number, compactedRevision: number) {
    super(
      'E_STORAGE_COMPACTED',
      `revision ${requested} has been compacted: the oldest one kept is ${compactedRevision}`,
    );
    this.compactedRevision = compactedRevision;
  }
}

/** The revision asked for has not been written yet. */
export class FutureRevisionError extends SlipwayError {
  readonly currentRevision: number;

  constructor(requested: number, currentRevision: number) {
    super(
      'E_STORAGE_FUTURE_REVISION',
      `revision ${requested} is in the future: the store is at ${currentRevision}`,
    );
    this.currentRevision = currentRevision;
  }
}

/** The store was closed, or its disk failed: no operation can succeed until it is opened again. */
export class StorageClosedError extends SlipwayError {
  constructor(reason: string, cause?: unknown) {
    super('E_STORAGE_CLOSED', `the store is closed: ${reason}`, { cause });
  }
}
