import { messageOf, SlipwayError } from '../../base/errors.ts';
import { putFiles, removeFiles } from '../../provision/files.ts';
import { runScript } from '../../provision/host.ts';
import { startUnit, unitIsCurrent, unitJournal } from '../../provision/units.ts';
import type { EtcdMember } from '../../storage/etcd/members.ts';
import type { Node } from '../cluster.ts';
import { noteRunning, writeFiles } from '../components/component.ts';
import { etcd, ETCD_DATA, ETCD_INITIAL_FILE, ETCD_UNIT, peerUrl } from '../components/etcd.ts';
import { EtcdAccess } from './access.ts';
import { nodeOfMember, votersOf } from './members-view.ts';
import { checkRemoval, quorumOf } from './quorum.ts';
import { noteServedEtcd } from './state.ts';

const SERVING_MS = 60_000;
/** A member that was cut off while it joined gets so long to show that its data is whole. */
const INTERRUPTED_MS = 10_000;
const PAUSE_MS = 100;

/** Certificates and unit of a member; starts nothing. */
export async function writeMember(node: Node): Promise<void> {
  const component = etcd(node);
  await writeFiles(node, [...component.files, component.unitFile]);
}

/** Makes the first member of a new cluster, with nothing in it. What an interrupted run left is thrown away. */
export async function bootstrapMember(node: Node): Promise<void> {
  await writeMember(node);
  await node.change('bootstrap etcd', async () => {
    await throwAway(node, 'bootstrap etcd');
    await writeInitial(
      node,
      'bootstrap etcd',
      [{ name: node.name, peerUrls: [peerUrl(node.address)] }],
      'new',
    );
    await startUnit(node.host, 'bootstrap etcd', ETCD_UNIT, node.cluster.signal);
    (await openServing(node)).close();
  });
}

/** From here on the member's data is relied upon. */
export async function markServed(node: Node): Promise<void> {
  const change = 'etcd has served';
  await node.change(change, () =>
    removeFiles(node.host, change, [ETCD_INITIAL_FILE], { signal: node.cluster.signal }),
  );
  noteServedEtcd(node);
}

/** Adds a node's member to the cluster: as a learner, which gets its vote when it has caught up. */
export async function joinMember(node: Node, established: readonly Node[]): Promise<void> {
  await writeMember(node);
  const change = 'join etcd as a learner, and promote it when it has caught up';
  await node.change(change, async () => {
    const access = await EtcdAccess.open(node.cluster, established, SERVING_MS);
    try {
      const url = peerUrl(node.address);
      const known = (await access.members.list()).find(({ peerUrls }) => peerUrls.includes(url));
      if (!(known && (await goesOn(node, access, known)))) {
        if (known) await forget(access, known, established);
        await throwAway(node, change);
        const { members } = await addLearner(node, access, url);
        await writeInitial(
          node,
          change,
          members.map((member) => named(member, url, node.name)),
          'existing',
        );
        await startUnit(node.host, change, ETCD_UNIT, node.cluster.signal);
      }
      await promote(node, access, url);
    } finally {
      access.close();
    }
    await removeFiles(node.host, change, [ETCD_INITIAL_FILE], { signal: node.cluster.signal });
  });
  noteServedEtcd(node);
}

/**
 * Makes established members run with what their files say, one after the other: a restart needs the others' quorum.
 * `settle` looks at each that was restarted, before the next. Gives those that were down and have been started.
 */
export async function keepMembers(
  nodes: readonly Node[],
  settle?: (node: Node) => Promise<void>,
): Promise<readonly Node[]> {
  for (const node of nodes) await writeMember(node);
  const facts = (node: Node) => node.facts.units.get(ETCD_UNIT);
  // Those that are down first, all of them: with a quorum down none could become healthy alone.
  const down = nodes.filter((node) => facts(node)?.activeState !== 'active');
  await Promise.all(down.map((node) => start(node, `start ${ETCD_UNIT}`)));
  for (const node of nodes) {
    if (down.includes(node)) continue;
    const others = nodes.filter((other) => other !== node);
    if ((await restartMember(node, others)) && !node.cluster.dryRun) await settle?.(node);
  }
  return down;
}

/**
 * Makes an established member run with what its files say, where it does not: the others must have the quorum. Gives
 * whether it was restarted.
 */
export async function restartMember(node: Node, others: readonly Node[]): Promise<boolean> {
  if (unitIsCurrent(node.facts.units.get(ETCD_UNIT), etcd(node).config)) return false;
  await checkOthers(node, others);
  await start(node, `restart ${ETCD_UNIT}`);
  if (!node.cluster.dryRun) (await openServing(node)).close();
  return true;
}

/**
 * A server whose member was removed while it was away must not come back with its old data. Asked only of members
 * that did not run: one that was removed ends by itself. Throws E_REMOVED_MEMBER.
 */
export async function refuseRemoved(suspects: readonly Node[], established: readonly Node[]): Promise<void> {
  const [first] = suspects;
  if (first === undefined) return;
  const access = await EtcdAccess.open(first.cluster, established, SERVING_MS);
  try {
    const members = await access.members.list();
    const removed = suspects.filter((node) => !members.some((member) => nodeOfMember(member, [node])));
    if (removed.length === 0) return;
    const names = removed.map(({ name }) => name).join(', ');
    throw new SlipwayError(
      'E_REMOVED_MEMBER',
      `${names}: holds the data of a member that was removed from etcd while the server was away`,
      { hint: `reset that server ("slipway reset --node ${removed[0]?.name}"), then join it again` },
    );
  } finally {
    access.close();
  }
}

async function start(node: Node, change: string): Promise<void> {
  await node.change(change, () => startUnit(node.host, change, ETCD_UNIT, node.cluster.signal));
  noteRunning(node, etcd(node));
}

/** Members that were down and have been started must serve: one whose data is damaged is started again and again. E_NOT_READY. */
export async function awaitStarted(started: readonly Node[]): Promise<void> {
  await Promise.all(started.map(async (node) => (await openServing(node)).close()));
}

async function checkOthers(node: Node, others: readonly Node[]): Promise<void> {
  if (others.length === 0 || node.cluster.dryRun) return;
  const access = await EtcdAccess.open(node.cluster, others);
  try {
    const voters = await votersOf(access, others);
    const healthy = voters.filter((voter) => voter.healthy).length;
    if (healthy >= quorumOf(voters.length)) return;
    throw new SlipwayError(
      'E_QUORUM',
      `${node.name}: etcd is not restarted: ${healthy} of the other members are healthy, and ${quorumOf(voters.length)} must be`,
      { hint: 'bring the other members back first: systemctl status slipway-etcd on each control plane' },
    );
  } finally {
    access.close();
  }
}

/** A way to a member that serves reads that a quorum agreed on. E_NOT_READY, with the end of its journal. */
export async function openServing(node: Node): Promise<EtcdAccess> {
  try {
    return await EtcdAccess.open(node.cluster, [node], SERVING_MS);
  } catch (cause) {
    const journal = await unitJournal(node.host, ETCD_UNIT);
    throw new SlipwayError(
      'E_NOT_READY',
      `${node.name}: etcd does not serve after ${SERVING_MS / 1000} s: ${messageOf(cause)}; its journal ends with:\n${journal}`,
      {
        hint:
          `look at "journalctl -u slipway-etcd" on ${node.name}, then run the same command again; where its data is ` +
          `damaged: "slipway remove ${node.name} --keep-files", then "slipway join" brings it the others’`,
        cause,
      },
    );
  }
}

/** Whether a member that an earlier run added runs with data that is whole. */
async function goesOn(node: Node, access: EtcdAccess, known: EtcdMember): Promise<boolean> {
  const { clock, signal } = node.cluster;
  const script = `[ -d ${ETCD_DATA}/member ] && [ -e ${ETCD_INITIAL_FILE} ] && systemctl restart ${ETCD_UNIT}\n`;
  if ((await node.host.tryRun(script, { signal })).code !== 0) return false;
  const endpoint = await access.endpointOf(node);
  const deadlineMs = clock.monotonicMs() + INTERRUPTED_MS;
  while (clock.monotonicMs() < deadlineMs) {
    const status = await access.members.status(endpoint).catch(() => undefined);
    if (status?.id === known.id) return true;
    await clock.sleep(PAUSE_MS, signal);
  }
  return false;
}

/** Takes out a member whose data is gone or was never relied upon; those that stay must be able to agree. */
async function forget(access: EtcdAccess, known: EtcdMember, established: readonly Node[]): Promise<void> {
  if (!known.isLearner) checkRemoval(await votersOf(access, established), known.id);
  await access.members.remove(known.id);
}

/** Stops the unit and removes the member's data, which must be marked as never relied upon. */
async function throwAway(node: Node, what: string): Promise<void> {
  const script = `set -eu
if [ -d ${ETCD_DATA} ] && [ ! -e ${ETCD_INITIAL_FILE} ]; then
  echo "${ETCD_DATA} holds data of a member that has served: it is not removed" >&2
  exit 1
fi
systemctl stop ${ETCD_UNIT} 2>/dev/null || true
rm -rf ${ETCD_DATA}
`;
  await runScript(node.host, what, script, { signal: node.cluster.signal });
}

async function writeInitial(
  node: Node,
  change: string,
  members: ReadonlyArray<{ name: string; peerUrls: readonly string[] }>,
  state: 'new' | 'existing',
): Promise<void> {
  const cluster = members.flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(',');
  const content = `# Written by slipway; removed when the member has served.
ETCD_INITIAL_CLUSTER=${cluster}
ETCD_INITIAL_CLUSTER_STATE=${state}
ETCD_INITIAL_CLUSTER_TOKEN=${node.cluster.inventory.cluster.name}
`;
  const file = { path: ETCD_INITIAL_FILE, content, mode: 0o600 };
  await putFiles(node.host, change, [file], { signal: node.cluster.signal });
}

/** etcd looks for its own name and address in the list; a member that never started has no name yet. */
const named = (member: EtcdMember, url: string, name: string): { name: string; peerUrls: string[] } => ({
  name: member.peerUrls.includes(url) ? name : member.name || member.id,
  peerUrls: member.peerUrls,
});

/** etcd takes a member only when those it has were connected for some seconds, and one learner at a time. */
async function addLearner(
  node: Node,
  access: EtcdAccess,
  url: string,
): ReturnType<EtcdAccess['members']['addLearner']> {
  const { clock, signal } = node.cluster;
  const deadlineMs = clock.monotonicMs() + SERVING_MS;
  for (;;) {
    try {
      return await access.members.addLearner([url]);
    } catch (error) {
      if (!/unhealthy cluster|too many learner/.test(messageOf(error))) throw error;
      if (clock.monotonicMs() > deadlineMs) throw error;
      await clock.sleep(PAUSE_MS, signal);
    }
  }
}

async function promote(node: Node, access: EtcdAccess, url: string): Promise<void> {
  const { clock, signal } = node.cluster;
  const deadlineMs = clock.monotonicMs() + SERVING_MS;
  const endpoint = await access.endpointOf(node);
  // Beyond etcd's own rule, which looks at the log alone.
  const { revision } = await access.members.current();
  let last = 'it has not answered';
  while (clock.monotonicMs() < deadlineMs) {
    const member = (await access.members.list()).find(({ peerUrls }) => peerUrls.includes(url));
    if (member === undefined)
      throw new SlipwayError('E_NOT_READY', `${node.name}: its member of etcd was removed`);
    try {
      const status = await access.members.status(endpoint);
      if (status.leader !== undefined && status.revision >= revision) {
        await access.members.promote(member.id);
        return;
      }
      last = status.leader ? `it is at revision ${status.revision} of ${revision}` : 'it knows no leader';
    } catch (error) {
      last = messageOf(error);
    }
    await clock.sleep(PAUSE_MS, signal);
  }
  const journal = await unitJournal(node.host, ETCD_UNIT);
  throw new SlipwayError(
    'E_NOT_READY',
    `${node.name}: etcd has not caught up after ${SERVING_MS / 1000} s: ${last}; its journal ends with:\n${journal}`,
    { hint: 'run the same command again: it continues where it stopped' },
  );
}
