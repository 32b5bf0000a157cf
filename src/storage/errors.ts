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

/** Another process has the store open. */
export class StorageLockedError extends SlipwayError {
  /** Process id of the holder; undefined when it could not be read. */
  readonly pid: number | undefined;

  constructor(dir: string, pid: number | undefined) {
    super(
      'E_STORAGE_LOCKED',
      `the store in ${dir} is in use by ${pid ? `process ${pid}` : 'another process'}`,
      {
        hint: pid ? `Stop it first: kill ${pid}` : 'Stop it first, or choose another data directory.',
      },
    );
    this.pid = pid;
  }
}

/** The disk, or the quota of the store, is full: nothing was written, reads go on, writes work again once there is space. */
export class StorageFullError extends SlipwayError {
  constructor(dir: string, cause?: unknown) {
    super('E_STORAGE_FULL', `no space is left for the store in ${dir}: the write was refused`, {
      hint: 'Free space on its file system (or raise the quota). Writes work again without a restart.',
      cause,
    });
  }
}

/** What is on disk is not what was written. */
export class StorageCorruptError extends SlipwayError {
  constructor(dir: string, what: string, cause?: unknown) {
    super('E_STORAGE_CORRUPT', `the store in ${dir} is damaged: ${what}`, {
      hint: 'Do not go on with this copy: restore a backup into an empty directory.',
      cause,
    });
  }
}

/** The directory holds a store that this release cannot read. */
export class StorageFormatError extends SlipwayError {
  constructor(dir: string, found: number, supported: number) {
    super(
      'E_STORAGE_FORMAT',
      `the store in ${dir} has format ${found}, this release reads format ${supported}`,
      { hint: 'Use the release that wrote it, or a newer one.' },
    );
  }
}
