import { randomUUID } from 'node:crypto';
import { SlipwayError } from '../../base/errors.ts';
import { putFiles, sha256 } from '../../provision/files.ts';
import { runScript, shellQuote } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import { runAction, type ActionOptions } from '../actions/run-action.ts';
import { upPhases, type UpResult } from '../actions/up.ts';
import type { Cluster, Node } from '../cluster.ts';
import {
  ETCD_DATA,
  ETCD_DIRECTORY,
  ETCD_INITIAL_FILE,
  ETCD_MEMBER_DIRECTORY,
  ETCD_UNIT,
} from '../components/etcd.ts';
import { MOVED_STORE_DIRECTORY, SERVICE_OWNER, STORE_DIRECTORY, STORE_FILE } from '../components/files.ts';
import { SNAPSHOT_DIRECTORY } from '../components/snapshots.ts';
import { hasEmbeddedStore } from '../etcd/state.ts';
import type { ClusterPhase, Phase } from '../phase.ts';
import { CURRENT_LINK } from '../release.ts';
import { SNAPSHOT_RESTORE } from '../state-directory.ts';

const APISERVER_UNIT = 'slipway-apiserver.service';
const SEEDING = `${STORE_DIRECTORY}.seeding`;
/** On the server that was seeded: by which run. */
const MARKER = '/etc/slipway/snapshot-restored';
/** So far the revision goes on: what came after the snapshot had revisions that clients still know. */
const BUMP = 1_000_000_000;

export interface SnapshotRequest {
  /** A control plane of the inventory. */
  node: string;
  /** A file of its SNAPSHOT_DIRECTORY, or 'latest'. */
  name: string;
}

/** What one run goes by, and the next one where it was cut off. */
interface Begun extends SnapshotRequest {
  id: string;
}

/**
 * Takes the cluster's store back to a snapshot that one of its control planes took. Everything stops for that; what
 * stood in the store is put aside on each server, not removed. A run that was cut off is continued by the same
 * command. Errors: PhaseError, with E_SNAPSHOT where there is no such snapshot, or it is not whole.
 */
export async function restoreSnapshot(options: ActionOptions, request: SnapshotRequest): Promise<UpResult> {
  const { changes, cluster } = await runAction(options, restorePhases(options, request));
  return { changes, kubeconfigPath: cluster.state.kubeconfigPath };
}

function restorePhases(options: ActionOptions, request: SnapshotRequest): Phase[] {
  const phases = upPhases(options.open).filter(({ id }) => id !== 'validate-etcd');
  const before = (id: string, phase: Phase): void => {
    const index = phases.findIndex((each) => each.id === id);
    if (index < 0) throw new Error(`"up" has no phase ${id}`);
    phases.splice(index, 0, phase);
  };
  let begun: Begun | undefined;
  const check: ClusterPhase = {
    id: 'snapshot',
    title: 'Read the snapshot',
    kind: 'check',
    run: async (cluster) => {
      begun = await begin(cluster, request);
    },
  };
  const goBack: ClusterPhase = {
    id: 'go-back',
    title: 'Take the store back to the snapshot',
    kind: 'change',
    run: async (cluster) => {
      if (begun === undefined) throw new Error('the snapshot was not read');
      await replaceStore(cluster, begun);
    },
  };
  before('pki', check);
  before('etcd', goBack);
  const end: ClusterPhase = {
    id: 'end',
    title: 'End the restore',
    kind: 'wait',
    run: async ({ state }) => state.remove(SNAPSHOT_RESTORE),
  };
  return [...phases, end];
}

/** Finds the snapshot and reads it through; where a run with the same one was cut off, this is that run. */
async function begin(cluster: Cluster, request: SnapshotRequest): Promise<Begun> {
  const text = await cluster.state.read(SNAPSHOT_RESTORE);
  const last = text === undefined ? undefined : (JSON.parse(text) as Begun);
  const node = cluster.controlPlanes.find(({ name }) => name === request.node);
  if (node === undefined) {
    throw new SlipwayError('E_UNKNOWN_SERVER', `the inventory has no control plane ${request.node}`, {
      hint: `name one of ${cluster.controlPlanes.map(({ name }) => name).join(', ')}`,
    });
  }
  if (last !== undefined && last.node === request.node && [last.name, 'latest'].includes(request.name))
    return last;
  const name = await findSnapshot(node, request.name);
  return { id: randomUUID(), node: node.name, name };
}

async function findSnapshot(node: Node, name: string): Promise<string> {
  const script = `cd ${SNAPSHOT_DIRECTORY} 2>/dev/null || exit 0
name=${shellQuote(name)}
[ "$name" != latest ] || name=$(ls | grep '\\.snapshot$' | sort | tail -n 1)
[ -n "$name" ] && [ -f "$name" ] || exit 0
echo "$name"
${CURRENT_LINK}/slipway store-snapshot check "$name" >&2
`;
  const { signal } = node.cluster;
  const { code, stdout, stderr } = await node.host.tryRun(script, { signal, timeoutMs: 600_000 });
  const found = stdout.trim();
  if (found === '') {
    throw new SlipwayError('E_SNAPSHOT', `${node.name} has no snapshot ${name}`, {
      hint: `"slipway status" tells which it has; they lie in ${SNAPSHOT_DIRECTORY}`,
    });
  }
  if (code === 0) return found;
  throw new SlipwayError('E_SNAPSHOT', `${node.name}: the snapshot ${found} is not whole: ${stderr.trim()}`, {
    hint: 'take another one: "slipway status" tells which there are',
  });
}

async function replaceStore(cluster: Cluster, begun: Begun): Promise<void> {
  const holder = cluster.controlPlanes.find(({ name }) => name === begun.node);
  if (holder === undefined) throw new Error('the snapshot was not read');
  const marker = { path: MARKER, content: `${begun.id}\n`, mode: 0o600 };
  // From then on this is an ordinary `up`, however often it is cut off.
  if (holder.facts.files.get(MARKER)?.sha256 === sha256(marker.content)) return;
  const { signal } = cluster;
  await cluster.change('remember the restore that begins', () =>
    cluster.state.write(SNAPSHOT_RESTORE, `${JSON.stringify(begun)}\n`),
  );
  const unpack = `unpack the snapshot ${begun.name}`;
  await holder.change(unpack, async () => {
    const script = `${ledgerFunctions(unpack)}
rm -rf ${SEEDING}
${CURRENT_LINK}/slipway store-copy in --to ${SEEDING} --bump ${BUMP} <${SNAPSHOT_DIRECTORY}/${shellQuote(begun.name)} >&2
chown -R ${SERVICE_OWNER} ${SEEDING}
chmod 700 ${SEEDING}
sync ${SEEDING}/*
`;
    await runScript(holder.host, unpack, script, { timeoutMs: 1_800_000, signal });
  });
  // All stop before the first one changes: nobody is to serve what another one has given up.
  await Promise.all(cluster.controlPlanes.map(stopStore));
  await Promise.all(cluster.controlPlanes.map((node) => putAside(node, begun.id)));
  const change = 'make the snapshot the store';
  await holder.change(change, async () => {
    const script = `${ledgerFunctions(change)}
ledger '"path":"${STORE_DIRECTORY}","before":{"kind":"absent"},"after":{"kind":"directory"}'
sync "$LEDGER/ledger.jsonl"
if [ -d ${SEEDING} ]; then
  [ ! -d ${STORE_DIRECTORY} ] || rmdir ${STORE_DIRECTORY}
  mv -T ${SEEDING} ${STORE_DIRECTORY}
fi
sync "$(dirname ${STORE_DIRECTORY})"
`;
    await runScript(holder.host, change, script, { signal });
    await putFiles(holder.host, change, [marker], { signal });
  });
  holder.facts.sizes.set(STORE_FILE, 1);
}

async function stopStore(node: Node): Promise<void> {
  const change = 'stop the API server and its store';
  await node.change(change, async () => {
    const script = `set -eu
for unit in ${APISERVER_UNIT} ${ETCD_UNIT}; do
  if systemctl cat "$unit" >/dev/null 2>&1; then systemctl stop "$unit"; fi
done
`;
    await runScript(node.host, change, script, { signal: node.cluster.signal });
  });
  for (const unit of [APISERVER_UNIT, ETCD_UNIT]) {
    const facts = node.facts.units.get(unit);
    if (facts) node.facts.units.set(unit, { ...facts, activeState: 'inactive', config: undefined });
  }
}

/** Nothing is thrown away: what was written since the snapshot may still be wanted. */
async function putAside(node: Node, id: string): Promise<void> {
  const suffix = `before-${id.slice(0, 8)}`;
  const change = `put the store aside as *.${suffix}`;
  await node.change(change, async () => {
    const script = `${ledgerFunctions(change)}
aside() {
  [ -e "$1" ] || return 0
  ledger "\\"path\\":\\"$2\\",\\"before\\":{\\"kind\\":\\"absent\\"},\\"after\\":{\\"kind\\":\\"directory\\"}"
  sync "$LEDGER/ledger.jsonl"
  [ ! -e "$2" ] || rm -rf "$1"
  [ ! -e "$1" ] || mv -T "$1" "$2"
}
aside ${ETCD_DATA} ${ETCD_DIRECTORY}/data.${suffix}
rm -f ${ETCD_INITIAL_FILE}
[ ! -e ${STORE_FILE} ] || aside ${STORE_DIRECTORY} ${STORE_DIRECTORY}.${suffix}
aside ${MOVED_STORE_DIRECTORY} ${MOVED_STORE_DIRECTORY}.${suffix}
sync /var/lib/slipway
`;
    await runScript(node.host, change, script, { signal: node.cluster.signal });
  });
  const { facts } = node;
  facts.directories.delete(ETCD_MEMBER_DIRECTORY);
  facts.directories.delete(MOVED_STORE_DIRECTORY);
  facts.files.delete(ETCD_INITIAL_FILE);
  if (hasEmbeddedStore(node)) facts.directories.delete(STORE_DIRECTORY);
  facts.sizes.delete(STORE_FILE);
}
