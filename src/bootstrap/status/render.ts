import { rfc3339 } from '../../base/clock.ts';
import { DAY_MS } from '../../pki/issue.ts';
import type { ClusterStatus, ReachedServer } from './status.ts';

/** The status as lines for a terminal of ordinary width. */
export function renderStatus(status: ClusterStatus): string[] {
  const { api, store, nearestExpiry, problems, nowMs } = status;
  const ready = api.nodes?.filter((node) => node.ready).length;
  const nodes = api.nodes === undefined ? 'unknown' : `${ready} of ${api.nodes.length} Ready`;
  const expiry =
    nearestExpiry === undefined
      ? 'none'
      : `${nearestExpiry.where} in ${Math.floor((nearestExpiry.notAfterMs - nowMs) / DAY_MS)} days`;
  return [
    `cluster ${status.cluster}, ${rfc3339(nowMs)}`,
    '',
    ...table([['SERVER', 'NODE', 'UNITS', 'API', 'CLOCK', 'DISK', 'RELEASE'], ...rows(status)]),
    '',
    `nodes         ${nodes}`,
    ...storeLines(store),
    ...snapshotLines(status),
    `certificates  first to expire: ${expiry}`,
    `drift         ${driftLine(status)}`,
    '',
    ...(problems.length === 0 ? ['all is well'] : problems.map((problem) => `! ${problem}`)),
  ];
}

function rows({ servers, api }: ClusterStatus): string[][] {
  return servers.map((server) => {
    const node = api.nodes?.find(({ name }) => name === server.name);
    const ready = node === undefined ? '?' : node.ready ? 'Ready' : 'NotReady';
    const cordoned = node?.schedulable === false ? ',cordoned' : '';
    if (!server.reached) return [server.name, ready + cordoned, 'not reached', '', '', '', ''];
    const own = api.servers.find(({ name }) => name === server.name);
    const answers = own === undefined ? '-' : own.ready ? 'ready' : 'not ready';
    return [
      server.name,
      ready + cordoned,
      units(server),
      answers,
      clock(server.clockOffsetMs),
      fullest(server),
      server.release ?? 'none',
    ];
  });
}

function units({ units: all }: ReachedServer): string {
  const active = all.filter(({ state }) => state === 'active').length;
  return `${active}/${all.length}`;
}

const clock = (offsetMs: number): string =>
  `${offsetMs < 0 ? '-' : '+'}${(Math.abs(offsetMs) / 1000).toFixed(1)}s`;

/** The disk that has least left. */
function fullest({ disks }: ReachedServer): string {
  const worst = disks.toSorted((a, b) => b.usedPercent - a.usedPercent)[0];
  return worst === undefined ? '' : `${worst.path} ${worst.usedPercent}%`;
}

function storeLines(store: ClusterStatus['store']): string[] {
  if (store === undefined) return ['store         unknown'];
  if (store.error !== undefined) return [`store         etcd: ${store.error}`];
  return store.members.map(({ name, leader, learner, answers, bytes, revision, behind }, index) => {
    const role =
      store.kind === 'embedded' ? 'embedded' : leader ? 'leader' : learner ? 'learner' : 'follower';
    const where =
      store.kind === 'embedded' ? '' : `, revision ${revision}${behind > 0 ? ` (${behind} behind)` : ''}`;
    const what = answers ? `${role}, ${(bytes / 1e6).toFixed(1)} MB${where}` : 'no answer';
    return `${index === 0 ? 'store       ' : '            '}  ${name}: ${what}`;
  });
}

function snapshotLines({ servers }: ClusterStatus): string[] {
  const takers = servers.flatMap((server) => (server.reached && server.snapshots ? [server] : []));
  return takers.map(({ name, snapshots }, index) => {
    const { count = 0, newest } = snapshots ?? {};
    const text = newest
      ? `${count}, the newest ${newest.name} (${(newest.bytes / 1e6).toFixed(1)} MB)`
      : 'none yet';
    return `${index === 0 ? 'snapshots   ' : '            '}  ${name}: ${text}`;
  });
}

/** How many differences each server has; which ones is told below. */
function driftLine({ drift }: ClusterStatus): string {
  if (drift.error !== undefined) return 'unknown';
  const counts = new Map<string, number>();
  for (const { node = 'state directory' } of [...drift.changes, ...drift.strangers]) {
    counts.set(node, (counts.get(node) ?? 0) + 1);
  }
  return counts.size === 0
    ? 'none'
    : [...counts]
        .map(([node, count]) => `${node}: ${count}`)
        .toSorted()
        .join(', ');
}

/** Columns as wide as their widest cell. */
function table(lines: string[][]): string[] {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => (line[column] ?? '').length)),
  );
  return lines.map((line) =>
    line
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}
