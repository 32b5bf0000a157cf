import { NODES } from '../../api/gen/resources.ts';
import { messageOf } from '../../base/errors.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import { openApiAccess, type ApiAccess } from '../api-access.ts';
import type { Cluster, Node } from '../cluster.ts';
import { identityOf } from '../components/files.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { nodeOfMember } from '../etcd/members-view.ts';

/** What the API says; each part may be missing where nobody answers. */
export interface ApiStatus {
  servers: Array<{ name: string; ready: boolean; message: string }>;
  /** Undefined where no API server answers. */
  nodes: Array<{ name: string; ready: boolean; version: string; schedulable: boolean }> | undefined;
}

export interface StoreStatus {
  kind: 'etcd' | 'embedded';
  members: Array<{
    name: string;
    leader: boolean;
    learner: boolean;
    answers: boolean;
    bytes: number;
    revision: number;
    /** How many revisions it is behind the one that has most. */
    behind: number;
    message: string;
  }>;
  /** Why etcd as a whole could not be asked. */
  error: string | undefined;
}

/** The longest that a part of the status is waited for. */
const ANSWER_MS = 4000;

/** Resolves with `otherwise` where nothing has come in time; what comes later is let go. */
async function within<T>(
  cluster: Cluster,
  work: Promise<T>,
  otherwise: (error: unknown) => T,
  drop: (late: T) => void = () => {},
): Promise<T> {
  let over = false;
  const { promise, resolve } = Promise.withResolvers<T>();
  const timer = cluster.clock.after(ANSWER_MS, () => {
    over = true;
    resolve(otherwise(new Error(`no answer within ${ANSWER_MS / 1000} s`)));
  });
  work.then(
    (value) => (over ? drop(value) : resolve(value)),
    (error: unknown) => resolve(otherwise(error)),
  );
  const value = await promise;
  timer.cancel();
  return value;
}

/** Asks every API server by itself, and one that is ready for the nodes. */
export async function askApi(cluster: Cluster, nodes: readonly Node[]): Promise<ApiStatus> {
  const servers: ApiStatus['servers'] = [];
  let list: ApiStatus['nodes'];
  await Promise.all(
    nodes.map(async (node) => {
      const access = await openAccess(cluster, node);
      try {
        const ready = await within(cluster, readyz(access), (error) => ({
          ready: false,
          message: messageOf(error),
        }));
        servers.push({ name: node.name, ...ready });
        if (!ready.ready) return;
        // One that answers late, or not, must not take away what another has told.
        const told = await within<ApiStatus['nodes']>(cluster, listNodes(access), () => undefined);
        list ??= told;
      } finally {
        access.close();
      }
    }),
  );
  return { servers: servers.toSorted((a, b) => a.name.localeCompare(b.name)), nodes: list };
}

const openAccess = (cluster: Cluster, { host }: Node): Promise<ApiAccess> =>
  openApiAccess([host], {
    port: cluster.inventory.api.port,
    caPem: cluster.pki['pki/ca.crt'] ?? '',
    identity: identityOf(cluster, SUPER_ADMIN),
    clock: cluster.clock,
  });

async function readyz({ client }: ApiAccess): Promise<{ ready: boolean; message: string }> {
  const { status, body } = await client.request('GET', '/readyz');
  const message = status === 200 ? 'ok' : `${status}: ${body.toString('utf8').slice(0, 200).trim()}`;
  return { ready: status === 200, message };
}

async function listNodes({ client }: ApiAccess): Promise<ApiStatus['nodes']> {
  const { items } = await client.list(NODES);
  return items.map(({ metadata, spec, status }) => ({
    name: metadata?.name ?? '',
    ready: status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True',
    version: status?.nodeInfo?.kubeletVersion ?? '',
    schedulable: spec?.unschedulable !== true,
  }));
}

/** Asks each member of etcd by itself; a quorum must answer for the list of members. */
export async function askEtcd(cluster: Cluster, nodes: readonly Node[]): Promise<StoreStatus> {
  const none = (error: unknown): StoreStatus => ({ kind: 'etcd', members: [], error: messageOf(error) });
  const opened = await within<EtcdAccess | StoreStatus>(
    cluster,
    EtcdAccess.open(cluster, nodes, ANSWER_MS),
    none,
    (late) => void (late instanceof EtcdAccess && late.close()),
  );
  if (!(opened instanceof EtcdAccess)) return opened;
  try {
    return await within(cluster, members(opened, cluster, nodes), none);
  } finally {
    opened.close();
  }
}

async function members(access: EtcdAccess, cluster: Cluster, nodes: readonly Node[]): Promise<StoreStatus> {
  const found = await Promise.all(
    (await access.members.list()).map(async (member) => {
      const node = nodeOfMember(member, cluster.nodes);
      const name = node?.name ?? (member.name || member.id);
      const about = { name, id: member.id, learner: member.isLearner };
      const dead = { ...about, answers: false, bytes: 0, revision: 0, leads: undefined };
      if (node === undefined || !nodes.includes(node))
        return { ...dead, message: 'its server was not reached' };
      try {
        const status = await access.members.status(await access.endpointOf(node));
        const { dbSizeBytes: bytes, revision, leader: leads, errors } = status;
        return { ...about, answers: true, bytes, revision, leads, message: errors.join('; ') };
      } catch (error) {
        return { ...dead, message: messageOf(error) };
      }
    }),
  );
  const newest = Math.max(...found.map(({ revision }) => revision));
  const differing = await compareData(access, cluster, found);
  return {
    kind: 'etcd',
    error: undefined,
    members: found.map(({ name, id, learner, answers, bytes, revision, message }) => {
      const leader = found.some((other) => other.leads === id);
      return {
        name,
        leader,
        learner,
        answers,
        bytes,
        revision,
        behind: answers ? newest - revision : 0,
        message: differing.get(id) ?? message,
      };
    }),
  };
}

/** Members with larger databases are not compared: each would read all of it at every look. */
const COMPARED_BYTES = 128 * 2 ** 20;

/**
 * Compares what the members hold at a revision that all of them have: etcd's own check at a member's start passes over
 * members that have never written a snapshot. Gives those that differ from what most others hold, with what to do.
 */
async function compareData(
  access: EtcdAccess,
  cluster: Cluster,
  found: ReadonlyArray<{ id: string; name: string; answers: boolean; bytes: number; revision: number }>,
): Promise<Map<string, string>> {
  const compared = found.filter(({ answers, bytes }) => answers && bytes < COMPARED_BYTES);
  const revision = Math.min(...compared.map((member) => member.revision));
  const hashes = await Promise.all(
    compared.map(async ({ id, name }) => {
      const node = cluster.nodes.find((each) => each.name === name);
      const answer =
        node &&
        (await access.endpointOf(node).then(
          (at) => access.members.hash(at, revision),
          () => undefined,
        ));
      return { id, name, of: answer && `${answer.hash} after ${answer.compactRevision}` };
    }),
  );
  const count = (of: string | undefined): number => hashes.filter((each) => each.of === of).length;
  const most = hashes.find(({ of }) => of !== undefined && count(of) * 2 > hashes.length)?.of;
  const after = most?.split(' ').at(-1);
  return new Map(
    hashes
      .filter(({ of }) => most !== undefined && of !== undefined && of !== most && of.endsWith(` ${after}`))
      .map(({ id, name }) => [
        id,
        `its data differs from that of the others at revision ${revision}: "slipway remove ${name} --keep-files", then "slipway join"`,
      ]),
  );
}
