import { randomUUID } from 'node:crypto';
import { codeOf, SlipwayError } from '../base/errors.ts';
import type { FencedHost } from '../provision/fenced-host.ts';
import { describeOperator, type Operator } from '../provision/fence.ts';
import { releaseLock, takeLock, type HeldLock } from '../provision/operator-lock.ts';

/** What a run may do about the locks of others. */
export interface LockOptions {
  operator: Operator;
  /** Take locks over whose holders cannot be asked whether they live. */
  takeLock: boolean;
  /** Whether a process of this machine lives. */
  isAlive: (pid: number) => boolean;
}

/** The locks that one run holds: on all servers that it may change, or on none. */
export class OperatorLocks {
  readonly #options: LockOptions;
  readonly #token = randomUUID();
  readonly #held: FencedHost[] = [];

  constructor(options: LockOptions) {
    this.#options = options;
  }

  /**
   * Takes the lock of every server, in the order of their names, so that of two operators exactly one gets all. Errors:
   * E_LOCKED, which names the holder and since when; nothing is held then.
   */
  async take(hosts: readonly FencedHost[]): Promise<void> {
    const inOrder = hosts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    for (const host of inOrder) {
      const other = await this.#takeOne(host);
      if (other) {
        await this.release();
        throw new SlipwayError(
          'E_LOCKED',
          `${host.name}: ${describeOperator(other.operator)} is at work there`,
          {
            hint: 'wait until that run has ended; if its machine is gone for good, give --take-lock',
          },
        );
      }
      host.fence(this.#token);
      this.#held.push(host);
    }
  }

  /** Gives back what is held; servers that cannot be reached lose theirs when they restart, or to the next run. */
  async release(): Promise<void> {
    for (const host of this.#held.splice(0)) {
      host.fence(undefined);
      await releaseLock(host, this.#token).catch(() => undefined);
    }
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

/** Whether a process of this machine lives, as the kernel says it. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM';
  }
}
