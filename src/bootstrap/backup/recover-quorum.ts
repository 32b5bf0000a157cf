import { messageOf, SlipwayError } from '../../base/errors.ts';
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
import { SERVICE_OWNER, STORE_DIRECTORY, STORE_FILE } from '../components/files.ts';
import { EtcdAccess } from '../etcd/access.ts';
import { hasEmbeddedStore, hasServedEtcd } from '../etcd/state.ts';
import type { ClusterPhase, Phase } from '../phase.ts';
import { CURRENT_LINK } from '../release.ts';

const APISERVER_UNIT = 'slipway-apiserver.service';
const SEEDING = `${STORE_DIRECTORY}.seeding`;
const DATABASE = `${ETCD_MEMBER_DIRECTORY}/snap/db`;
/** So far the revision goes on: what the lost members had beyond the survivor, clients may still know. */
const BUMP = 1_000_000_000;
const QUORUM_ANSWERS_MS = 8_000;

/**
 * Brings the store back after a quorum of etcd's members is lost for good: the survivor that has the most becomes the
 * first member of a new cluster, the other survivors join it with nothing of their own. Lost members cannot come back
 * into it: it has another id. What only they had is lost. Errors: PhaseError, with E_QUORUM where a quorum lives.
 */
export async function recoverQuorum(options: ActionOptions): Promise<UpResult> {
  const { changes, cluster } = await runAction(options, recoverPhases(options.open));
  return { changes, kubeconfigPath: cluster.state.kubeconfigPath };
}

function recoverPhases(open: ActionOptions['open']): Phase[] {
  const kept = upPhases(open).filter(({ id }) => id !== 'connect' && id !== 'validate-etcd');
  const before = (id: string, phase: Phase): void => {
    const index = kept.findIndex((each) => each.id === id);
    if (index < 0) throw new Error(`"up" has no phase ${id}`);
    kept.splice(index, 0, phase);
  };
  before('facts', connectSurvivors(open));
  before('prepare-server', refuseQuorum);
  before('etcd', beginAnew);
  return kept;
}

/** Servers that are lost do not answer; the others are worked on. */
const connectSurvivors = (open: ActionOptions['open']): ClusterPhase => ({
  id: 'connect',
  title: 'Connect to the servers that are left',
  kind: 'check',
  run: async (cluster) => {
    await Promise.all(
      cluster.nodes.map(async (node) => {
        try {
          node.host = await open(node);
        } catch (error) {
          node.lost = true;
          node.warn(`it does not answer, and counts as lost: ${messageOf(error)}`);
        }
      }),
    );
    cluster.targets = cluster.nodes.filter(({ connected }) => connected);
  },
});

const survivorsOf = (cluster: Cluster): Node[] =>
  cluster.controlPlanes.filter((node) => node.connected && node.probed && hasServedEtcd(node));

/** While a quorum lives nothing must be given up: members are replaced one by one. */
const refuseQuorum: ClusterPhase = {
  id: 'refuse-quorum',
  title: 'Check that etcd has lost its quorum',
  kind: 'check',
  run: async (cluster) => {
    const survivors = survivorsOf(cluster);
    if (cluster.controlPlanes.some((node) => node.probed && hasEmbeddedStore(node))) return;
    if (survivors.length === 0) {
      throw new SlipwayError('E_QUORUM', 'no server that answers holds data of etcd', {
        hint: 'restore the newest backup: slipway restore',
      });
    }
    const access = await EtcdAccess.open(cluster, survivors, QUORUM_ANSWERS_MS).catch(() => undefined);
    try {
      const answered = await access?.members.current().catch(() => undefined);
      if (answered === undefined) return;
    } finally {
      access?.close();
    }
    throw new SlipwayError('E_QUORUM', 'etcd has a quorum, and nothing of it was given up', {
      hint: 'take lost servers out one by one: slipway remove <server> --dead; then join new ones',
    });
  },
};

const beginAnew: ClusterPhase = {
  id: 'begin-anew',
  title: 'Make the newest data the beginning of a new etcd',
  kind: 'change',
  run: async (cluster) => {
    const survivors = survivorsOf(cluster);
    // An interrupted run has seeded already.
    if (!cluster.controlPlanes.some((node) => node.probed && hasEmbeddedStore(node))) {
      const holder = await newestOf(cluster, survivors);
      await seedFrom(holder);
      holder.facts.sizes.set(STORE_FILE, 1);
    }
    for (const node of survivors) await putAside(node);
  },
};

/** Stops the survivors' etcd, so that their databases hold all that they know, and compares how far each goes. */
async function newestOf(cluster: Cluster, survivors: readonly Node[]): Promise<Node> {
  const [first] = survivors;
  if (first === undefined) throw new Error('a recovery without survivors passed its check');
  if (cluster.dryRun) return first;
  const revisions = await Promise.all(
    survivors.map(async (node) => {
      const script = `set -eu
# One that was down replays its log first; nobody else can answer it.
if ! systemctl is-active --quiet ${ETCD_UNIT}; then systemctl start --no-block ${ETCD_UNIT}; sleep 3; fi
systemctl stop ${APISERVER_UNIT} ${ETCD_UNIT}
${CURRENT_LINK}/slipway store-copy revision --etcd ${DATABASE}
`;
      const result = await node.host.tryRun(script, { signal: cluster.signal });
      if (result.code !== 0) node.warn(`its data cannot be read: ${result.stderr.trim()}`);
      return { node, revision: result.code === 0 ? Number(result.stdout.trim()) : 0 };
    }),
  );
  const [newest] = revisions.toSorted((a, b) => b.revision - a.revision);
  if (newest === undefined || newest.revision === 0) {
    throw new SlipwayError('E_QUORUM', 'the data of no member can be read', {
      hint: 'go back to a snapshot: slipway restore --snapshot SERVER:latest; or restore the newest backup: slipway restore',
    });
  }
  return newest.node;
}

async function seedFrom(node: Node): Promise<void> {
  const change = 'make the data of this member the beginning of a new etcd';
  await node.change(change, async () => {
    const slipway = shellQuote(`${CURRENT_LINK}/slipway`);
    const script = `${ledgerFunctions(change)}
rm -rf ${SEEDING} ${SEEDING}.stream
umask 077
${slipway} store-copy out --etcd ${DATABASE} >${SEEDING}.stream
${slipway} store-copy in --base64 --to ${SEEDING} --bump ${BUMP} <${SEEDING}.stream
rm -f ${SEEDING}.stream
chown -R ${SERVICE_OWNER} ${SEEDING}
ledger '"path":"${STORE_DIRECTORY}","before":{"kind":"absent"},"after":{"kind":"directory"}'
sync "$LEDGER/ledger.jsonl"
[ ! -d ${STORE_DIRECTORY} ] || rmdir ${STORE_DIRECTORY}
sync ${SEEDING}/*
mv -T ${SEEDING} ${STORE_DIRECTORY}
sync "$(dirname ${STORE_DIRECTORY})"
`;
    await runScript(node.host, change, script, { timeoutMs: 1_800_000, signal: node.cluster.signal });
  });
}

/** Nothing is thrown away: an expert may still want it. */
async function putAside(node: Node): Promise<void> {
  const aside = `${ETCD_DIRECTORY}/lost-${node.cluster.clock.now()}`;
  const change = `put the old data of etcd aside as ${aside}`;
  await node.change(change, async () => {
    const script = `set -eu
systemctl stop ${APISERVER_UNIT} ${ETCD_UNIT}
[ ! -d ${ETCD_DATA} ] || mv -T ${ETCD_DATA} ${aside}
rm -f ${ETCD_INITIAL_FILE}
sync ${ETCD_DIRECTORY}
`;
    await runScript(node.host, change, script, { signal: node.cluster.signal });
  });
  node.facts.directories.delete(ETCD_MEMBER_DIRECTORY);
  for (const unit of [APISERVER_UNIT, ETCD_UNIT]) {
    const facts = node.facts.units.get(unit);
    if (facts) node.facts.units.set(unit, { ...facts, activeState: 'inactive', config: undefined });
  }
}
