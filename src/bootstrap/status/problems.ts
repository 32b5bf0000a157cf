import { rfc3339 } from '../../base/clock.ts';
import { DAY_MS } from '../../pki/issue.ts';
import type { Cluster } from '../cluster.ts';
import { intervalMs } from '../components/snapshots.ts';
import type { ClusterStatus } from './status.ts';

const WARN_EXPIRY_MS = 30 * DAY_MS;
const FULL_PERCENT = 90;
/** The way to the server is in it: less than this says nothing. */
const CLOCK_MS = 2000;
/** Writes that are under way while the members are asked one after the other. */
const BEHIND_REVISIONS = 1000;

/** What a person should look at, the gravest first. */
export function findProblems(status: Omit<ClusterStatus, 'problems'>, cluster: Cluster): string[] {
  return [
    ...serverProblems(status),
    ...apiProblems(status),
    ...storeProblems(status, cluster),
    ...status.unfinished,
    ...releaseProblems(status, cluster),
    ...snapshotProblems(status, cluster),
    ...driftProblems(status),
    ...expiryProblems(status),
  ];
}

type Found = Omit<ClusterStatus, 'problems'>;

function serverProblems({ servers }: Found): string[] {
  return servers.flatMap((server) => {
    const { name } = server;
    if (!server.reached) return [`${name} is not reached: ${server.message}`];
    const offsetMs = server.clockOffsetMs;
    return [
      ...server.units
        .filter(({ state }) => state !== 'active')
        .map((unit) => `${name}: ${unit.name} is ${unit.state}`),
      ...server.disks
        .filter(({ usedPercent }) => usedPercent >= FULL_PERCENT)
        .map(({ path, usedPercent }) => `${name}: ${path} is ${usedPercent} % full`),
      ...(Math.abs(offsetMs) > CLOCK_MS
        ? [`${name}: its clock is ${(offsetMs / 1000).toFixed(1)} s off this machine's`]
        : []),
    ];
  });
}

function apiProblems({ api, servers }: Found): string[] {
  const problems = api.servers
    .filter(({ ready }) => !ready)
    .map(({ name, message }) => `${name}: its API server is not ready: ${message}`);
  if (api.nodes === undefined) return [...problems, 'no API server answers'];
  const { nodes } = api;
  return [
    ...problems,
    ...nodes.filter(({ ready }) => !ready).map(({ name }) => `node ${name} is not Ready`),
    ...servers
      .filter(({ name }) => !nodes.some((node) => node.name === name))
      .map(({ name }) => `${name} is no node of the cluster`),
  ];
}

function storeProblems({ store }: Found, cluster: Cluster): string[] {
  if (store === undefined) return ['no store was found on the servers that were reached'];
  if (store.error !== undefined) return [`etcd cannot be asked: ${store.error}`];
  const { members } = store;
  return [
    ...members.filter(({ answers }) => !answers).map(({ name, message }) => `etcd on ${name}: ${message}`),
    ...members
      .filter(({ answers, message }) => answers && message !== '')
      .map(({ name, message }) => `etcd on ${name} says: ${message}`),
    ...members
      .filter(({ behind }) => behind > BEHIND_REVISIONS)
      .map(({ name, behind }) => `etcd on ${name} is ${behind} revisions behind`),
    ...members.filter(({ learner }) => learner).map(({ name }) => `etcd on ${name} has no vote yet`),
    ...(store.kind === 'etcd' && !members.some(({ leader }) => leader) ? ['etcd has no leader'] : []),
    ...(store.kind === 'etcd'
      ? cluster.controlPlanes
          .filter(({ name }) => !members.some((member) => member.name === name))
          .map(({ name }) => `${name} is no member of etcd`)
      : []),
  ];
}

function releaseProblems({ servers }: Found, { release }: Cluster): string[] {
  return servers.flatMap((server) => {
    if (!server.reached) return [];
    return [
      ...(server.executable === 'damaged'
        ? [
            `${server.name}: the executable of ${server.release} is damaged or replaced; "slipway up" repairs it`,
          ]
        : []),
      ...(server.release === release.id
        ? []
        : [`${server.name} has ${server.release ?? 'no release'}, this is ${release.id}`]),
    ];
  });
}

/** A timer that does not run is drift. One that was missed twice is one that does not work. */
function snapshotProblems({ servers, nowMs }: Found, { inventory }: Cluster): string[] {
  const everyMs = intervalMs(inventory.snapshots.every);
  return servers.flatMap((server) => {
    if (!server.reached || server.snapshots === undefined) return [];
    const { name, snapshots } = server;
    const { failed, newest } = snapshots;
    if (failed)
      return [`${name}: the last snapshot of the store failed: see "journalctl -u slipway-snapshot"`];
    if (everyMs === undefined || newest === undefined) return [];
    const ageMs = nowMs - newest.takenMs;
    return ageMs > 3 * everyMs ? [`${name}: no snapshot of the store since ${rfc3339(newest.takenMs)}`] : [];
  });
}

/** Units that do not run are told of already. */
function driftProblems({ drift, servers }: Found): string[] {
  if (drift.error !== undefined)
    return [`the servers could not be compared with the inventory: ${drift.error}`];
  const isTold = (node: string | undefined, change: string): boolean => {
    const unit = /^(?:re)?start (\S+)\.service$/.exec(change)?.[1];
    const server = servers.find(({ name }) => name === node);
    return (
      server?.reached === true && server.units.some(({ name, state }) => name === unit && state !== 'active')
    );
  };
  return [
    ...drift.changes
      .filter(({ node, change }) => !isTold(node, change))
      .map(
        ({ node, change, reason }) =>
          `${node ?? 'the state directory'} is not what the inventory says: "slipway up" would ${change}${reason === undefined ? '' : ` (${reason})`}`,
      ),
    ...drift.strangers.map(({ node, path }) => `${node}: ${path} changes a unit of ours, and is not ours`),
  ];
}

function expiryProblems({ nearestExpiry, nowMs }: Found): string[] {
  if (nearestExpiry === undefined) return [];
  const leftMs = nearestExpiry.notAfterMs - nowMs;
  if (leftMs > WARN_EXPIRY_MS) return [];
  const days = Math.floor(leftMs / DAY_MS);
  return [
    leftMs < 0
      ? `${nearestExpiry.where} has expired`
      : `${nearestExpiry.where} expires in ${days} ${days === 1 ? 'day' : 'days'}`,
  ];
}
