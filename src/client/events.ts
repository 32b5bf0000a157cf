import { EVENTS } from '../api/gen/resources.ts';
import type { Event, ObjectReference } from '../api/gen/types/core-v1.ts';
import type { KubeObject } from '../api/resource.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from './client.ts';
import { ApiError, isNotFound } from './errors.ts';
import { EventCorrelator } from './event-correlator.ts';

export interface EventRecorderOptions {
  client: Client;
  /** Names the source: 'kubelet', 'deployment-controller', 'default-scheduler'. */
  component: string;
  host?: string;
  clock: Clock;
  log: Logger;
}

export type EventType = 'Normal' | 'Warning';

/** Events that wait beyond this are dropped: they are a help, and must never hold anything up. */
const MAX_WAITING = 1_000;
const MAX_MESSAGE = 1_024;
const MAX_TRIES = 12;
const RETRY_MS = 10_000;

/**
 * Writes Events about objects: repeats are counted, floods are folded and limited (event-correlator.ts).
 * Sends in the background, one at a time; never throws and never blocks the caller.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #correlator: EventCorrelator;
  #waiting: Event[] = [];
  #sending: Promise<void> | undefined;
  #serial = 0;
  #dropped = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#correlator = new EventCorrelator(options.clock);
  }

  /** `fieldPath` points at a part of the object: 'spec.containers{web}'. */
  event(object: KubeObject, type: EventType, reason: string, message: string, fieldPath?: string): void {
    this.eventFor(referenceTo(object, fieldPath), type, reason, message);
  }

  /** As `event`, about something that is known by reference alone. */
  eventFor(involvedObject: ObjectReference, type: EventType, reason: string, message: string): void {
    if (this.#waiting.length >= MAX_WAITING) {
      // One line for a flood, and one for its size when it is over.
      if (this.#dropped++ === 0) this.#options.log.warn({ reason }, 'too many events wait; more are dropped');
      return;
    }
    this.#waiting.push(this.#build(involvedObject, type, reason, message));
    this.#sending ??= this.#sendAll().finally(() => (this.#sending = undefined));
  }

  /** Resolves when everything recorded so far is written or given up. */
  async flush(): Promise<void> {
    await this.#sending;
  }

  #build(involvedObject: ObjectReference, type: EventType, reason: string, message: string): Event {
    const { clock, component, host } = this.#options;
    // A name that no other event has: the object's, the time, and a count for what happens within it.
    const unique = (BigInt(clock.now()) * 1_000_000n + BigInt(this.#serial++ % 1_000_000)).toString(16);
    const namespace = involvedObject.namespace || 'default';
    const short = message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE - 3)}...` : message;
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name: `${involvedObject.name}.${unique}`, namespace },
      involvedObject,
      reason,
      message: short,
      type,
      source: host === undefined ? { component } : { component, host },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  }

  async #sendAll(): Promise<void> {
    // Lets a burst of calls in one turn come together before the first is sent.
    await Promise.resolve();
    for (let event = this.#waiting.shift(); event !== undefined; event = this.#waiting.shift())
      await this.#send(event);
    if (this.#dropped === 0) return;
    this.#options.log.warn({ dropped: this.#dropped }, 'dropped events: too many were waiting');
    this.#dropped = 0;
  }

  async #send(event: Event): Promise<void> {
    const { clock, log } = this.#options;
    const correlated = this.#correlator.correlate(event);
    if (correlated === undefined) return;
    for (let tries = 1; ; tries++) {
      try {
        this.#correlator.recorded(await this.#write(correlated));
        return;
      } catch (error) {
        // A server's "no" stays one: the namespace is going away, or we may not.
        if (error instanceof ApiError || tries >= MAX_TRIES) {
          log.debug({ reason: event.reason, err: messageOf(error) }, 'an event was not written');
          return;
        }
        // A timer of this kind does not keep a process that is done from ending.
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve));
      }
    }
  }

  async #write(correlated: NonNullable<ReturnType<EventCorrelator['correlate']>>): Promise<Event> {
    const { client } = this.#options;
    if ('patch' in correlated) {
      const { name, namespace, body } = correlated.patch;
      try {
        return await client.patch(EVENTS, { name, namespace }, body, { type: 'strategic' });
      } catch (error) {
        // Expired meanwhile: start again with the count so far.
        if (!isNotFound(error)) throw error;
      }
    }
    return client.create(EVENTS, correlated.create);
  }
}

/** A reference as Events and other objects carry it. */
function referenceTo(object: KubeObject, fieldPath?: string): ObjectReference {
  const { name, namespace, uid, resourceVersion } = object.metadata ?? {};
  const { apiVersion, kind } = object;
  return { apiVersion, kind, name, namespace, uid, resourceVersion, ...(fieldPath ? { fieldPath } : {}) };
}
