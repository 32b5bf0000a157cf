import { isAbort, messageOf, SlipwayError } from './errors.ts';

/** A signal that aborts on SIGTERM or SIGINT; a second one ends the process at once. */
export function processSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(1);
      controller.abort();
    });
  }
  return controller.signal;
}

/** Resolves when the signal aborts; never rejects. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

/**
 * Runs loops side by side until the signal aborts or one of them fails; then stops the others, waits for
 * them, and rethrows the first failure.
 */
export async function runTogether(
  loops: ReadonlyArray<(signal: AbortSignal) => Promise<void>>,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const both = AbortSignal.any([signal, stop.signal]);
  let failure: unknown;
  await Promise.all(
    loops.map(async (loop) => {
      try {
        await loop(both);
      } catch (error) {
        if (!(isAbort(error) && both.aborted)) failure ??= error;
        stop.abort();
      }
    }),
  );
  if (failure !== undefined) throw failure;
}

/** Prints an error as a person wants it (code and hint for ours, stack for a bug) and returns the exit code. */
export function reportFatal(error: unknown): number {
  if (error instanceof SlipwayError) {
    process.stderr.write(`error: ${error.message} [${error.code}]\n`);
    if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
    return 1;
  }
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : messageOf(error)}\n`);
  return 70;
}
