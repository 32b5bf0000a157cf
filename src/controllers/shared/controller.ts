import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { ApiError, isNotFound } from '../../client/errors.ts';
import { EventRecorder } from '../../client/events.ts';
import type { InformerFactory } from '../../client/informer-factory.ts';
import type { Discovery } from './discovery.ts';
import { KeyQueue } from './key-queue.ts';
import type { KeyQueueOptions } from './key-queue.ts';

/** What every controller is given. */
export interface ControllerContext {
  client: Client;
  informers: InformerFactory;
  discovery: Discovery;
  clock: Clock;
  log: Logger;
}

export type Loop = (signal: AbortSignal) => Promise<void>;

/**
 * A controller says what it reads and what it writes, so that ownership can be searched for, and subscribes
 * in `start`; the loops that it returns run while this process leads.
 */
export interface ControllerDefinition {
  name: string;
  /** Plural names of what it watches. */
  inputs: readonly string[];
  /** Plural names of what it writes; 'x/status' is a subresource. */
  outputs: readonly string[];
  start: (context: ControllerContext) => Loop[];
}

/** A queue of keys and the loop that works on it once every informer of the process has synced. */
export function keyedLoop(
  context: ControllerContext,
  options: Pick<KeyQueueOptions, 'name' | 'sync' | 'workers'>,
): { queue: KeyQueue; loop: Loop } {
  const { clock, log, informers } = context;
  const queue = new KeyQueue({ clock, log, ...options });
  return {
    queue,
    loop: (signal) =>
      queue.run(
        informers.whenSynced(signal).catch(() => {}),
        signal,
      ),
  };
}

/** An event recorder that speaks as the controller: 'replicaset-controller'. */
export function recorderFor(context: ControllerContext, component: string): EventRecorder {
  const { client, clock, log } = context;
  return new EventRecorder({ client, clock, log, component });
}

/** The namespace is missing or on its way out: there is nothing to keep in it any more. */
export function isNamespaceGone(error: unknown): boolean {
  if (isNotFound(error)) return true;
  if (!(error instanceof ApiError)) return false;
  const causes = (error.status.details?.causes ?? []) as Array<{ reason?: string }>;
  return causes.some(({ reason }) => reason === 'NamespaceTerminating');
}
