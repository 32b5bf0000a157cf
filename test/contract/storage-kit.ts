import type { KeyValue, Storage, WriteResult } from '../../src/storage/storage.ts';

/** Runs a test on a fresh store and closes it. */
export type WithStorage = (body: (storage: Storage) => Promise<void>) => Promise<void>;

export const bytes = (text: string): Buffer => Buffer.from(text);

/** Writes and insists that it succeeded. */
export async function put(storage: Storage, key: string, value: string): Promise<number> {
  const result = await storage.put(key, bytes(value));
  if (!result.ok) throw new Error(`put ${key} failed`);
  return result.revision;
}

/** 'ok', or the pair that stood in the way. */
export function outcome(result: WriteResult): unknown {
  return result.ok ? 'ok' : text(result.current);
}

/** key=value@createRevision/modRevision. */
export function text(kv: KeyValue | undefined): string | undefined {
  return kv && `${kv.key}=${kv.value.toString()}@${kv.createRevision}/${kv.modRevision}`;
}
