import { SlipwayError } from '../../base/errors.ts';
import { nodeIdentity } from '../../pki/identities.ts';
import { parseCertificate } from '../../pki/parse.ts';
import { startUnit } from '../../provision/units.ts';
import { runAction, type ActionOptions, type ActionResult } from '../actions/run-action.ts';
import { upPhases } from '../actions/up.ts';
import type { Node } from '../cluster.ts';
import { ETCD_CLIENT_PORT, ETCD_PEER_PORT, ETCD_UNIT } from '../components/etcd.ts';
import { KUBELET_CONFIG } from '../components/node.ts';
import { keepMembers, openServing, writeMember } from '../etcd/form-cluster.ts';
import { hasServedEtcd, usesEtcd } from '../etcd/state.ts';
import { allNodes, type ClusterPhase, type NodePhase, type Phase } from '../phase.ts';
import { issueCertificates } from '../phases/pki.ts';
import { hasExecutable } from '../release.ts';
import { certificatesOn, checkServed, servedCertificate } from './look.ts';

const KUBELET_UNIT = 'slipway-kubelet.service';
const KUBELET_CERTIFICATE = '/var/lib/kubelet/pki/kubelet-client-current.pem';
/** When a renewal began that has not ended: what was issued since is not issued again. */
const BEGUN = 'renewal.json';
/** A renewal that broke off longer ago is not continued: the next one is a new one. */
const CONTINUED_WITHIN_MS = 86_400_000;
const KUBELET_RENEWED_MS = 60_000;
/** Steps of `up` that bring files and restart what reads them; the rest of it is not a renewal's affair. */
const STEPS = new Set([
  'apiserver',
  'wait-apiserver',
  'controller-manager',
  'scheduler',
  'bootstrap-tokens',
  'network',
  'kubelet-trust',
  'kubelet',
  'proxy',
  'dns',
  'wait-control-plane',
  'wait-nodes',
  'wait-components',
  'revoke-tokens',
  'kubeconfig',
]);

/**
 * Issues every certificate anew that the operator issues, brings them to their servers, restarts what holds them, API
 * servers and members of etcd one after the other, and looks at what is served afterwards. Needs SSH and the state
 * directory: it works when everything has expired, kubelets' included. An interrupted run is continued by the next.
 * Errors: PhaseError.
 */
export const renewCertificates = (options: ActionOptions): Promise<ActionResult> =>
  runAction(options, renewPhases(options.open));

function renewPhases(open: ActionOptions['open']): Phase[] {
  const up = upPhases(open);
  const named = (id: string): Phase => {
    const phase = up.find((each) => each.id === id);
    if (phase === undefined) throw new Error(`"up" has no phase ${id}`);
    return phase;
  };
  const steps = up.filter(({ id }) => STEPS.has(id));
  const afterKubelets = steps.findIndex(({ id }) => id === 'kubelet') + 1;
  return [
    named('etcd-version'),
    named('connect'),
    named('facts'),
    checkRelease,
    findExpiredKubelets,
    issueAnew,
    renewEtcd,
    ...steps.slice(0, afterKubelets),
    restartExpiredKubelets,
    ...steps.slice(afterKubelets),
    verifyServed,
    end,
  ];
}

/** A renewal restarts processes: it must not become an upgrade by the way. */
export const checkRelease: NodePhase = {
  id: 'check-release',
  title: 'Check that the servers run this release',
  kind: 'check',
  nodes: allNodes,
  run: async (node, { release }) => {
    if (hasExecutable(node.facts, release)) return;
    throw node.refuse(
      `it does not run the release ${release.id}`,
      'use the cluster’s own release (each server has it as /opt/slipway/current/slipway), or "slipway upgrade" first',
    );
  },
};

const issueAnew: ClusterPhase = {
  id: 'issue',
  title: 'Issue certificates anew',
  kind: 'check',
  run: async (cluster) => {
    await cluster.lock();
    const nowMs = cluster.clock.now();
    const text = await cluster.state.read(BEGUN);
    const lastMs = text === undefined ? 0 : (JSON.parse(text) as { begunMs: number }).begunMs;
    const goesOn = nowMs - lastMs < CONTINUED_WITHIN_MS;
    const begunMs = goesOn ? lastMs : nowMs;
    if (!goesOn && !cluster.dryRun) await cluster.state.write(BEGUN, `${JSON.stringify({ begunMs })}\n`);
    // Certificates know whole seconds.
    await issueCertificates(cluster, {
      renewIssuedBeforeMs: Math.floor(begunMs / 1000) * 1000,
    });
  },
};

const end: ClusterPhase = {
  id: 'end',
  title: 'End the renewal',
  kind: 'wait',
  run: async (cluster) => cluster.state.remove(BEGUN),
};

/** Kubelets renew their own; one whose certificate has expired while it could not needs a token to ask with. */
const findExpiredKubelets: NodePhase = {
  id: 'expired-kubelets',
  title: 'Look for kubelets whose certificates have expired',
  kind: 'check',
  nodes: allNodes,
  run: async (node) => {
    if (await isKubeletExpired(node)) node.facts.files.delete(KUBELET_CONFIG);
  },
};

async function isKubeletExpired(node: Node): Promise<boolean> {
  const found = await certificatesOn(node.host, node.cluster.signal);
  const own = found.find(({ where }) => where === KUBELET_CERTIFICATE);
  return own === undefined || own.notAfterMs <= node.cluster.clock.now();
}

const restartExpiredKubelets: NodePhase = {
  id: 'expired-kubelets-again',
  title: 'Let kubelets with expired certificates ask for new ones',
  kind: 'wait',
  nodes: (cluster) => allNodes(cluster).filter((node) => !node.facts.files.has(KUBELET_CONFIG)),
  run: async (node, { clock, signal }) => {
    const change = `restart ${KUBELET_UNIT} with a token`;
    await node.change(change, () => startUnit(node.host, change, KUBELET_UNIT, signal));
    const deadlineMs = clock.monotonicMs() + KUBELET_RENEWED_MS;
    while (await isKubeletExpired(node)) {
      if (clock.monotonicMs() > deadlineMs) {
        throw new SlipwayError('E_NOT_READY', `${node.name}: the kubelet has no new certificate yet`, {
          hint: `look at "journalctl -u slipway-kubelet" on ${node.name}, then run the same command again`,
        });
      }
      await clock.sleep(250, signal);
    }
  },
};

/** One member after the other; all at once where they do not believe each other any more, since none serves then. */
const renewEtcd: ClusterPhase = {
  id: 'etcd',
  title: 'Restart etcd with new certificates',
  kind: 'change',
  run: async (cluster) => {
    if (!usesEtcd(cluster)) return;
    const nodes = cluster.controlPlanes.filter(hasServedEtcd);
    const expired = await Promise.all(nodes.map(isEtcdExpired));
    if (!expired.includes(true)) {
      await keepMembers(nodes);
      return;
    }
    for (const node of nodes) await writeMember(node);
    const change = `restart ${ETCD_UNIT}`;
    await Promise.all(
      nodes.map((node) => node.change(change, () => startUnit(node.host, change, ETCD_UNIT, cluster.signal))),
    );
    if (cluster.dryRun) return;
    for (const node of nodes) (await openServing(node)).close();
  },
};

async function isEtcdExpired(node: Node): Promise<boolean> {
  const pem = await servedCertificate(node.host, ETCD_CLIENT_PORT);
  return pem === undefined || parseCertificate(pem).notAfterMs <= node.cluster.clock.now();
}

const verifyServed: NodePhase = {
  id: 'verify-served',
  title: 'Check that the new certificates are served',
  kind: 'wait',
  nodes: (cluster) => cluster.controlPlanes,
  run: async (node, cluster) => {
    const written = (name: string): string => cluster.pki[`${nodeIdentity(node.name, name)}.crt`] ?? '';
    await checkServed(node.host, written('apiserver'), cluster.inventory.api.port);
    if (!usesEtcd(cluster)) return;
    await checkServed(node.host, written('etcd/server'), ETCD_CLIENT_PORT);
    await checkServed(node.host, written('etcd/peer'), ETCD_PEER_PORT, node.address);
  },
};
