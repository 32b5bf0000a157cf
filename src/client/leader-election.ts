import { LEASES } from '../api/gen/resources.ts';
import type { Lease } from '../api/gen/types/coordination-v1.ts';
import { rfc3339Micro } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from './client.ts';
import { isConflict, isNotFound } from './errors.ts';

export interface LeaderElectionOptions {
  client: Client;
  leaseName: string;
  namespace?: string;
  /** Unique to this process: `${hostname}_${uuid}`. */
  identity: string;
  clock: Clock;
  log: Logger;
  /** How long the others wait after the last renewal they saw. Default 15 s. */
  leaseDurationMs?: number;
  /** A leader that could not renew for this long steps down; shorter than the lease. Default 10 s. */
  renewMs?: number;
  /** Between two attempts. Default 2 s. */
  retryMs?: number;
  random?: () => number;
}

/**
 * Runs `run` while this process holds the lease, again each time it wins it, until the signal aborts. Its
 * signal aborts when the lease could not be renewed in time; it must then stop before it is run again. An
 * error of `run` gives the lease back and is rethrown.
 */
export async function runWhileLeader(
  options: LeaderElectionOptions,
  run: (signal: AbortSignal) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const election = new LeaderElection(options);
  while (!signal.aborted) {
    if (!(await election.acquire(signal))) return;
    await election.lead(run, signal);
  }
}

/**
 * A lock on a Lease, as client-go tools/leaderelection/leaderelection.go. Time is measured on this process's
 * monotonic clock alone: what counts is when it last saw the record change, never what time the record says.
 * It cannot exclude two leaders for the moment in which one is suspended: writes stay guarded by
 * resourceVersion.
 */
class LeaderElection {
  readonly #options: Required<Omit<LeaderElectionOptions, 'random'>> & { random: () => number };
  #lease: Lease | undefined;
  #observedSpec = '';
  #observedMs = 0;

  constructor(options: LeaderElectionOptions) {
    this.#options = {
      namespace: 'kube-system',
      leaseDurationMs: 15_000,
      renewMs: 10_000,
      retryMs: 2_000,
      random: Math.random,
      ...options,
    };
  }

  /** Resolves true with the lease held, false when the signal aborted. */
  async acquire(signal: AbortSignal): Promise<boolean> {
    const { clock, log, leaseName, retryMs, random } = this.#options;
    let told = '';
    while (!signal.aborted) {
      if (await this.#attempt(signal)) {
        log.info({ lease: leaseName }, 'became leader');
        return true;
      }
      const holder = this.#lease?.spec?.holderIdentity ?? '';
      if (holder !== told && holder !== '') log.info({ lease: leaseName, holder }, 'another process leads');
      told = holder;
      await clock.sleep(retryMs * (1 + 0.2 * random()), signal).catch(() => {});
    }
    return false;
  }

  /** Runs while the lease is renewed; releases it in the end, unless it was lost. */
  async lead(run: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
    const { log, leaseName } = this.#options;
    const lost = new AbortController();
    const done = new AbortController();
    const running = run(AbortSignal.any([signal, lost.signal])).finally(() => done.abort());
    const renewing = this.#renew(AbortSignal.any([signal, done.signal])).then((held) => {
      if (!held) log.error({ lease: leaseName }, 'the lease could not be renewed in time, stepping down');
      if (!held) lost.abort();
      return held;
    });
    try {
      await running;
    } catch (error) {
      if (!lost.signal.aborted && !signal.aborted) throw error;
    } finally {
      if (await renewing) await this.#release();
    }
  }

  /** Renews until the signal aborts (true) or the renew deadline passes (false). */
  async #renew(signal: AbortSignal): Promise<boolean> {
    const { clock, renewMs, retryMs } = this.#options;
    let renewedMs = clock.monotonicMs();
    while (!signal.aborted) {
      await clock.sleep(retryMs, signal).catch(() => {});
      if (signal.aborted) return true;
      const startMs = clock.monotonicMs();
      const late = new AbortController();
      const timer = clock.after(Math.max(0, renewedMs + renewMs - startMs), () => late.abort());
      const renewed = await this.#attempt(AbortSignal.any([signal, late.signal]));
      timer.cancel();
      if (signal.aborted) return true;
      // Counted from before the request: the others may have seen it as early as that.
      if (renewed) renewedMs = startMs;
      else if (this.#heldByOther() || clock.monotonicMs() - renewedMs >= renewMs) return false;
    }
    return true;
  }

  #heldByOther(): boolean {
    const holder = this.#lease?.spec?.holderIdentity;
    return holder !== undefined && holder !== '' && holder !== this.#options.identity;
  }

  /** One try to take or renew. Anything that fails is a "no". */
  async #attempt(signal: AbortSignal): Promise<boolean> {
    const { leaseName, log } = this.#options;
    try {
      // The holder need not read before it writes: the version tells if anyone was quicker.
      if (this.#mine && (await this.#renewBlindly(signal))) return true;
      return await this.#take(signal);
    } catch (error) {
      if (!signal.aborted) log.debug({ lease: leaseName, err: messageOf(error) }, 'lease not obtained');
      return false;
    }
  }

  get #mine(): boolean {
    return this.#lease?.spec?.holderIdentity === this.#options.identity;
  }

  async #renewBlindly(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#write(this.#lease, signal);
      return true;
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return false;
      throw error;
    }
  }

  async #take(signal: AbortSignal): Promise<boolean> {
    const { client, leaseName, namespace, clock, leaseDurationMs } = this.#options;
    const lease = await client
      .get(LEASES, { name: leaseName, namespace }, { signal })
      .catch((error: unknown) => {
        if (isNotFound(error)) return undefined;
        throw error;
      });
    if (lease) this.#observe(lease);
    if (this.#heldByOther() && lease && clock.monotonicMs() - this.#observedMs < leaseDurationMs)
      return false;
    await this.#write(lease, signal);
    return true;
  }

  async #write(lease: Lease | undefined, signal: AbortSignal): Promise<void> {
    const { client } = this.#options;
    const written = lease
      ? await client.update(LEASES, { ...lease, spec: this.#spec(lease.spec) }, { signal })
      : await client.create(LEASES, { ...this.#empty(), spec: this.#spec(undefined) }, { signal });
    this.#observe(written);
  }

  #observe(lease: Lease): void {
    const spec = JSON.stringify(lease.spec ?? {});
    if (spec !== this.#observedSpec || this.#lease === undefined) {
      this.#observedSpec = spec;
      this.#observedMs = this.#options.clock.monotonicMs();
    }
    this.#lease = lease;
  }

  #empty(): Lease {
    const { leaseName, namespace } = this.#options;
    return { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name: leaseName, namespace } };
  }

  #spec(old: Lease['spec']): NonNullable<Lease['spec']> {
    const { clock, identity, leaseDurationMs } = this.#options;
    const now = rfc3339Micro(clock.now());
    const mine = old?.holderIdentity === identity;
    return {
      ...old,
      holderIdentity: identity,
      leaseDurationSeconds: Math.ceil(leaseDurationMs / 1000),
      acquireTime: mine ? (old?.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (old?.leaseTransitions ?? 0) + (old !== undefined && !mine ? 1 : 0),
    };
  }

  /** Gives the lease back so that another process need not wait; best effort. */
  async #release(): Promise<void> {
    const { client, clock, log, leaseName } = this.#options;
    if (this.#lease === undefined || this.#heldByOther()) return;
    const now = rfc3339Micro(clock.now());
    const { leaseTransitions } = this.#lease.spec ?? {};
    const spec = {
      holderIdentity: '',
      leaseDurationSeconds: 1,
      renewTime: now,
      acquireTime: now,
      leaseTransitions,
    };
    const signal = new AbortController();
    const timer = clock.after(2_000, () => signal.abort());
    try {
      await client.update(LEASES, { ...this.#lease, spec }, { signal: signal.signal });
    } catch (error) {
      log.warn({ lease: leaseName, err: messageOf(error) }, 'the lease could not be released');
    } finally {
      timer.cancel();
    }
  }
}
