import { randomUUID } from 'node:crypto';
import { codeOf, SlipwayError } from '../base/errors.ts';
import type { FencedHost } from '../provision/fenced-host.ts';
import { describeOperator, type Operator } from '../provision/fence.ts';
import {
  readServerLock,
  releaseDeadLock,
  releaseLock,
  takeLock,
  type HeldLock,
} from '../provision/operator-lock.ts';
import type { StateDirectory } from './state-directory.ts';
import { readStateLock, releaseStateLock, takeStateLock } from './state-lock.ts';

/** What a run may do about the locks of others. */
export interface LockOptions {
  operator: Operator;
  /** Take locks over whose holders cannot be asked whether they live. */
  takeLock: boolean;
  /** Whether a process of this machine lives. */
  isAlive: (pid: number) => boolean;
}

/** What a run locks before its first change. */
export interface LockRequest {
  /** The cluster's lock: every control plane that answers, whether it is changed or not. */
  cluster: readonly FencedHost[];
  /** The other servers that may be changed. */
  servers: readonly FencedHost[];
  /** The operator's own files. */
  state?: StateDirectory;
}

/** The locks that one run holds: all that it needs, or none. */
export class OperatorLocks {
  readonly #options: LockOptions;
  readonly #token = randomUUID();
  readonly #held: FencedHost[] = [];
  #state: StateDirectory | undefined;

  constructor(options: LockOptions) {
    this.#options = options;
  }

  /**
   * Takes the lock of every control plane, one after the other in the order of their names, so that of two operators exactly
   * one gets all; then those of the other servers, and of the state directory. Errors: E_LOCKED, which names the holder
   * and since when; nothing is held then.
   */
  async take({ cluster, servers, state }: LockRequest): Promise<void> {
    try {
      for (const host of cluster.toSorted((a, b) => (a.name < b.name ? -1 : 1))) await this.#takeHost(host);
      // Whatever failed, the others must be known to be held before all are given back.
      const results = await Promise.allSettled(servers.map((host) => this.#takeHost(host)));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      if (state) await this.#takeState(state);
    } catch (error) {
      await this.release();
      throw error;
    }
  }

  /** Gives back what is held; servers that cannot be reached lose theirs when they restart, or to the next run. */
  async release(): Promise<void> {
    if (this.#state) {
      this.#state.fence(undefined);
      await releaseStateLock(this.#state.path, this.#token).catch(() => undefined);
      this.#state = undefined;
    }
    await Promise.all(
      this.#held.splice(0).map(async (host) => {
        host.fence(undefined);
        await releaseLock(host, this.#token).catch(() => undefined);
      }),
    );
  }

  /**
   * Takes away what dead runs of this machine have left: a run that finds nothing to do takes no lock, and would leave theirs
   * to keep operators of other machines out. What cannot be looked at is left as it is.
   */
  async forgetDead(hosts: readonly FencedHost[], state: StateDirectory): Promise<void> {
    const isDead = ({ host, pid }: Operator): boolean =>
      host === this.#options.operator.host && !this.#options.isAlive(pid);
    const looks = hosts.map(async (host) => {
      const stands = await readServerLock(host);
      if (stands && isDead(stands.operator)) await releaseDeadLock(host, stands.token);
    });
    const look = async (): Promise<void> => {
      const stands = await readStateLock(state.path);
      if (!stands || !isDead(stands.operator)) return;
      // Taken before it is given back: nobody else's can be removed by mistake.
      const mine = { token: this.#token, operator: this.#options.operator };
      await takeStateLock(state.path, mine, isDead);
      await releaseStateLock(state.path, this.#token);
    };
    await Promise.allSettled([...looks, look()]);
  }

  async #takeHost(host: FencedHost): Promise<void> {
    const other = await this.#takeOne(host);
    if (other) throw lockedBy(host.name, other);
    host.fence(this.#token);
    this.#held.push(host);
  }

  async #takeState(state: StateDirectory): Promise<void> {
    const mine = { token: this.#token, operator: this.#options.operator };
    const other = await takeStateLock(state.path, mine, (operator) => this.#mayReplace(operator));
    if (other) throw lockedBy(state.path, other);
    state.fence(this.#token);
    this.#state = state;
  }

  async #takeOne(host: FencedHost): Promise<HeldLock | undefined> {
    const { operator } = this.#options;
    const other = await takeLock(host, this.#token, operator);
    if (!other || !this.#mayReplace(other.operator)) return other;
    return takeLock(host, this.#token, operator, other.token);
  }

  #mayReplace({ host, pid }: Operator): boolean {
    const { operator, takeLock: force, isAlive } = this.#options;
    return force || (host === operator.host && !isAlive(pid));
  }
}

const lockedBy = (where: string, { operator }: HeldLock): SlipwayError =>
  new SlipwayError('E_LOCKED', `${where}: ${describeOperator(operator)} is at work there`, {
    hint: 'wait until that run has ended; if its machine is gone for good, give --take-lock',
  });

/** Whether a process of this machine lives, as the kernel says it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
