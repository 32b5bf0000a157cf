import { readFile } from 'node:fs/promises';
import type { Clock } from './clock.ts';
import { messageOf } from './errors.ts';
import type { Logger } from './log.ts';

/** Files are looked at so often: a Secret or an editor replaces them in ways that notifications miss. */
const EVERY_MS = 10_000;

export interface FollowOptions {
  clock: Clock;
  log: Logger;
  signal: AbortSignal;
  everyMs?: number;
}

/**
 * Calls `changed` with each new content of a file, `text` being what is in use at first. Where `changed` rejects, the old
 * content stays in use and the new one is not tried again until it differs. Resolves when the signal aborts.
 */
export async function followFile(
  path: string,
  text: string,
  { clock, log, signal, everyMs = EVERY_MS }: FollowOptions,
  changed: (text: string) => Promise<void>,
): Promise<void> {
  let known = text;
  while (!signal.aborted) {
    await clock.sleep(everyMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const now = await readFile(path, 'utf8');
      if (now === known || now === '') continue;
      known = now;
      await changed(now);
      log.info({ path }, 'a changed file is in use');
    } catch (error) {
      log.error(
        { path, error: messageOf(error) },
        'a changed file cannot be used; what was read before stays',
      );
    }
  }
}
