import { Worker, type WorkerOptions } from 'node:worker_threads';
import { checkoutPath, isExecutable, readTextAsset } from './assets.ts';

/**
 * Starts a thread on a module of the checkout, e.g. 'src/storage/embedded/writer-thread.ts'. The build
 * bundles each such module by itself (WORKER_MODULES) and embeds it under the same name, because a single
 * executable has no files that a thread could load.
 */
export function startWorkerThread(module: WorkerModule, options: WorkerOptions = {}): Worker {
  const quiet = { ...options, execArgv: ['--disable-warning=ExperimentalWarning'] };
  return isExecutable()
    ? new Worker(readTextAsset(module), { ...quiet, eval: true })
    : new Worker(checkoutPath(module), quiet);
}

export const WORKER_MODULES = [
  'src/storage/embedded/writer-thread.ts',
  'src/apiserver/codec/reading-thread.ts',
] as const;

export type WorkerModule = (typeof WORKER_MODULES)[number];
