import { createHash } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import { silentLogger, type Logger } from '../../base/log.ts';
import { ALARM_ACTION, ALARM_TYPE, type EtcdMember } from './admin-messages.ts';
import * as methods from './admin-methods.ts';
import { Endpoint, type Method } from './endpoint.ts';
import { isServiceError, StorageUnavailableError, toStorageError } from './errors.ts';
import { AmbiguousError, MemberPool } from './member-pool.ts';
import { COMPARE_MOD_REVISION, type Answer, type TxnRequest } from './messages.ts';
import { RANGE, TXN } from './methods.ts';
import { statusOf, type EtcdMemberStatus } from './member-status.ts';
import { loadTls, type EtcdTls, type EtcdTlsPem } from './tls-files.ts';

export type { EtcdMember } from './admin-messages.ts';

export interface EtcdMembersOptions {
  /** Client URLs of members that run. */
  endpoints: readonly string[];
  tls?: EtcdTls;
  clock: Clock;
  log?: Logger;
  /** How long an operation may take, fail-over included. Default 15,000. */
  requestMs?: number;
}

export interface EtcdAlarm {
  memberId: string;
  type: 'NOSPACE' | 'CORRUPT' | `unknown (${number})`;
}

export interface SnapshotInfo {
  /** Bytes of the file: the database and the 32 bytes of its hash, as `etcdctl snapshot restore` wants it. */
  bytes: number;
  sha256: string;
}

const SNAPSHOT_DEADLINE_MS = 30 * 60_000;
const DEFRAGMENT_DEADLINE_MS = 10 * 60_000;
const HASH_BYTES = 32;
/** As a range from here to here: etcd's way to say everything. */
const ALL_KEYS = Buffer.of(0);
/** Nobody writes it. */
const NO_KEY = Buffer.from('\0');

/** Membership and maintenance of an etcd cluster, for whoever builds, grows, repairs and backs it up. */
export class EtcdMembers {
  readonly #pool: MemberPool;
  readonly #options: EtcdMembersOptions;
  readonly #pem: EtcdTlsPem | undefined;

  private constructor(pool: MemberPool, options: EtcdMembersOptions, pem: EtcdTlsPem | undefined) {
    this.#pool = pool;
    this.#options = options;
    this.#pem = pem;
  }

  /** Throws as EtcdStorage.open does. */
  static async open(options: EtcdMembersOptions): Promise<EtcdMembers> {
    const pool = await MemberPool.open({
      endpoints: options.endpoints,
      tls: options.tls,
      clock: options.clock,
      log: options.log ?? silentLogger,
      attemptMs: 5000,
      requestMs: options.requestMs ?? 15_000,
      reloadMs: 30_000,
    });
    return new EtcdMembers(pool, options, options.tls && (await loadTls(options.tls)));
  }

  /** All members, learners and those that never started included. Asks the quorum where etcd can (from 3.5 on). */
  async list(): Promise<EtcdMember[]> {
    return (await this.#pool.call(methods.MEMBER_LIST, { linearizable: true }, { repeat: true })).members;
  }

  /**
   * Adds a member that copies the data without a vote; `promote` gives it one. Resolves with the new member
   * and all of them, which the new one's --initial-cluster names. A member with the very same peer URLs is
   * returned as it is, so that a repeated call is safe.
   */
  async addLearner(peerUrls: readonly string[]): Promise<{ member: EtcdMember; members: EtcdMember[] }> {
    const wanted = peerUrls.toSorted().join();
    for (let again = false; ; again = true) {
      const members = await this.list();
      const found = members.find((member) => member.peerUrls.toSorted().join() === wanted);
      if (found) return { member: found, members };
      try {
        const request = { peerUrls: [...peerUrls], isLearner: true };
        const answer = await this.#pool.call(methods.MEMBER_ADD, request, { repeat: false });
        if (!answer.member)
          throw new SlipwayError('E_STORAGE_ETCD', 'etcd added a member without saying which');
        return { member: answer.member, members: answer.members };
      } catch (error) {
        // The list tells whether it was added.
        if (!(error instanceof AmbiguousError) || again) throw error;
      }
    }
  }

  /**
   * Gives a learner its vote. Throws E_STORAGE_LEARNER_BEHIND while it has not copied enough; promoting a
   * member that votes already is done.
   */
  async promote(id: string): Promise<EtcdMember[]> {
    try {
      return (await this.#pool.call(methods.MEMBER_PROMOTE, { id }, { repeat: true })).members;
    } catch (error) {
      const details = detailsOf(error);
      if (details.includes('can only promote a learner member which is in sync')) {
        throw new SlipwayError('E_STORAGE_LEARNER_BEHIND', `the learner ${id} has not caught up yet`, {
          hint: 'Wait until it has copied the data, then promote it again.',
          cause: error,
        });
      }
      if (details.includes('can only promote a learner member')) return this.list();
      throw error;
    }
  }

  /** Removes a member for good: its data cannot join again. Removing one that is gone is done. */
  async remove(id: string): Promise<EtcdMember[]> {
    try {
      return (await this.#pool.call(methods.MEMBER_REMOVE, { id }, { repeat: true })).members;
    } catch (error) {
      if (detailsOf(error).includes('member not found')) return this.list();
      throw error;
    }
  }

  /** Asks one member about itself; it answers without the others. Throws StorageUnavailableError. */
  async status(endpoint: string): Promise<EtcdMemberStatus> {
    const answer = await this.#ask(endpoint, methods.STATUS, {}, 5000);
    return statusOf(answer);
  }

  /** How many keys one member holds, and its revision. It answers without the others. */
  async content(endpoint: string): Promise<{ keys: number; revision: number }> {
    const all = { key: ALL_KEYS, rangeEnd: ALL_KEYS, countOnly: true, serializable: true };
    const { count, header } = await this.#ask(endpoint, RANGE, all, 60_000);
    return { keys: count, revision: header?.revision ?? 0 };
  }

  /**
   * A hash over what one member holds up to a revision: it reads all of it. Members that have compacted up to the same
   * revision and hold the same have the same hash.
   */
  async hash(endpoint: string, revision: number): Promise<{ hash: number; compactRevision: number }> {
    const { hash, compactRevision } = await this.#ask(endpoint, methods.HASH_KV, { revision }, 10_000);
    return { hash, compactRevision };
  }

  /** The store's revision, as a quorum knows it. */
  async current(): Promise<{ revision: number }> {
    const request = { key: NO_KEY, countOnly: true };
    const { header } = await this.#pool.call(RANGE, request, { repeat: true });
    return { revision: header?.revision ?? 0 };
  }

  /** So many entries of the log that change nothing: enough of them make a member drop the log's beginning. */
  async passLog(entries: number): Promise<void> {
    // A key's revision is never 1: the comparison fails, which the members must agree on all the same.
    const compare: TxnRequest['compare'] = [{ target: COMPARE_MOD_REVISION, key: NO_KEY, modRevision: 1 }];
    const request = {
      compare,
      success: [{ requestDeleteRange: { key: NO_KEY, prevKv: false } }],
      failure: [],
    };
    await Promise.all(
      Array.from({ length: entries }, () =>
        this.#pool.call(TXN, request, { repeat: true, requestMs: 120_000 }),
      ),
    );
  }

  /** Rewrites one member's database without its holes. It serves nothing meanwhile: one member after the other. */
  async defragment(endpoint: string): Promise<void> {
    await this.#ask(endpoint, methods.DEFRAGMENT, {}, DEFRAGMENT_DEADLINE_MS);
  }

  async alarms(): Promise<EtcdAlarm[]> {
    const request = { action: ALARM_ACTION.get };
    const { alarms } = await this.#pool.call(methods.ALARM, request, { repeat: true });
    return alarms.map(({ memberId, alarm }) => ({
      memberId,
      type:
        alarm === ALARM_TYPE.noSpace
          ? 'NOSPACE'
          : alarm === ALARM_TYPE.corrupt
            ? 'CORRUPT'
            : `unknown (${alarm})`,
    }));
  }

  /** Lets writes in again after space was made. An alarm about damaged data is left as it is. */
  async disarmNoSpace(): Promise<void> {
    for (const { memberId, type } of await this.alarms()) {
      if (type !== 'NOSPACE') continue;
      const request = { action: ALARM_ACTION.deactivate, memberId, alarm: ALARM_TYPE.noSpace };
      await this.#pool.call(methods.ALARM, request, { repeat: true });
    }
  }

  /**
   * Writes a copy of one member's data to a file, mode 0600, which appears under its name only when it is
   * whole, its hash is right, and it is on disk. Throws E_STORAGE_SNAPSHOT.
   */
  async snapshot(endpoint: string, path: string): Promise<SnapshotInfo> {
    const part = `${path}.part`;
    const member = new Endpoint(endpoint, this.#pem, this.#options.clock);
    try {
      const info = await this.#download(member, part);
      await rename(part, path);
      await syncDirectory(dirname(path));
      return info;
    } catch (error) {
      await rm(part, { force: true });
      throw new SlipwayError(
        'E_STORAGE_SNAPSHOT',
        `no snapshot of ${endpoint} was made: ${messageOf(error)}`,
        {
          hint: 'Check that the member runs and that the disk has space, then try again.',
          cause: error,
        },
      );
    } finally {
      member.close();
    }
  }

  close(): void {
    this.#pool.close();
  }

  async #download(member: Endpoint, path: string): Promise<SnapshotInfo> {
    const file = await open(path, 'w', 0o600);
    try {
      const hash = createHash('sha256');
      // The last 32 bytes are the hash of all before them: they are kept back until it is clear which they are.
      let tail: Buffer = Buffer.alloc(0);
      let bytes = 0;
      const stream = member.serverStream(methods.SNAPSHOT, {}, SNAPSHOT_DEADLINE_MS);
      for await (const { blob } of stream) {
        await file.writeFile(blob);
        bytes += blob.length;
        const all = Buffer.concat([tail, blob]);
        const body = Math.max(0, all.length - HASH_BYTES);
        hash.update(all.subarray(0, body));
        tail = all.subarray(body);
      }
      const sha256 = hash.digest();
      // As etcd tells a file with a hash from one without: a database is whole sectors long.
      if (bytes % 512 !== HASH_BYTES || !sha256.equals(tail)) {
        throw new Error('its hash is missing or wrong: it was cut off or damaged on the way');
      }
      await file.sync();
      return { bytes, sha256: sha256.toString('hex') };
    } finally {
      await file.close();
    }
  }

  async #ask<Request extends object, Response extends Answer>(
    endpoint: string,
    method: Method<Request, Response>,
    request: Partial<Request>,
    deadlineMs: number,
  ): Promise<Response> {
    const member = new Endpoint(endpoint, this.#pem, this.#options.clock);
    try {
      return await member.unary(method, request, { deadlineMs, needsLeader: false });
    } catch (error) {
      const storageError = toStorageError(error, endpoint);
      if (storageError instanceof SlipwayError && storageError.code !== 'E_STORAGE_ETCD') throw storageError;
      throw new StorageUnavailableError([endpoint], error);
    } finally {
      member.close();
    }
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function detailsOf(error: unknown): string {
  const cause = error instanceof SlipwayError ? error.cause : error;
  return isServiceError(cause) ? cause.details : '';
}
