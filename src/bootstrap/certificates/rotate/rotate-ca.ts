import {
  ROTATION_STAGES,
  rotationOf,
  type AuthorityPath,
  type RotationStage,
} from '../../../pki/rotation.ts';
import { runAction, type ActionOptions, type ActionResult } from '../../actions/run-action.ts';
import type { Cluster } from '../../cluster.ts';
import { controllerManager, scheduler } from '../../components/control-plane.ts';
import { ETCD_CLIENT_PORT, ETCD_PEER_PORT } from '../../components/etcd.ts';
import { dns, kubelet, network, proxy } from '../../components/node.ts';
import { keepMembers } from '../../etcd/form-cluster.ts';
import { hasServedEtcd, usesEtcd } from '../../etcd/state.ts';
import { readPeople } from '../../people/record.ts';
import { allNodes, controlPlanes, type ClusterPhase, type Phase } from '../../phase.ts';
import { keepKubeletTrust } from '../../phases/kubelet-trust.ts';
import { waitApiserver } from '../../phases/wait-apiserver.ts';
import { waitComponents } from '../../phases/wait-components.ts';
import { waitNodes } from '../../phases/wait-nodes.ts';
import { writeKubeconfig } from '../../phases/write-kubeconfig.ts';
import { checkServed } from '../look.ts';
import { waitKubeletCertificates } from './kubelet-certificates.ts';
import { waitPodsTrust, waitPublished } from './pods.ts';
import { end, isDue, reach, RotatedFiles } from './state.ts';
import { apiServers, beginning, oneByOne, onlyWhere, written } from './steps.ts';

export interface RotateCaOptions extends ActionOptions {
  authorities: readonly AuthorityPath[];
  /** The last stage of this run; absent: to the end. */
  until?: RotationStage;
}

/**
 * Replaces certificate authorities while the cluster works: everybody learns to trust the new one beside the old, then
 * every certificate is issued anew, then the old one is forgotten. Nothing that serves is restarted before the one before
 * it is seen to serve. What stage it is at stands in the state directory; what is left of a stage is what servers lack of
 * it, so that a run which broke off is continued by the next. Errors: PhaseError.
 */
export const rotateCa = (options: RotateCaOptions): Promise<ActionResult> =>
  runAction(options, rotateCaPhases(options));

export function rotateCaPhases({ open, authorities, until }: RotateCaOptions): Phase[] {
  const files = new WeakMap<Cluster, RotatedFiles>();
  const filesOf = (cluster: Cluster): RotatedFiles => {
    const known = files.get(cluster) ?? new RotatedFiles(cluster);
    files.set(cluster, known);
    return known;
  };
  const stages = ROTATION_STAGES.slice(
    0,
    until === undefined ? undefined : ROTATION_STAGES.indexOf(until) + 1,
  );
  return [
    ...beginning(open),
    ...stages.flatMap((stage) => stagePhases(stage, filesOf, authorities)),
    ...(until === undefined ? [endPhase(filesOf)] : []),
  ];
}

const TITLES: Record<RotationStage, string> = {
  trust: 'Trust both',
  issue: 'Issue anew',
  drop: 'Drop the old',
};

function stagePhases(
  stage: RotationStage,
  filesOf: (cluster: Cluster) => RotatedFiles,
  authorities: readonly AuthorityPath[],
): Phase[] {
  const due = new WeakSet<Cluster>();
  const begin: ClusterPhase = {
    id: 'stage',
    title: 'the authorities',
    kind: 'change',
    run: async (cluster) => {
      const files = filesOf(cluster);
      await reach(stage, files, cluster, authorities);
      if (!isDue(rotationOf(await files.read()), stage)) return;
      due.add(cluster);
      await files.issue();
    },
  };
  const steps: Phase[] = [
    etcdMembers,
    apiServers,
    waitApiserver,
    oneByOne('controller-manager', 'the controllers', controlPlanes, controllerManager),
    oneByOne('scheduler', 'the schedulers', controlPlanes, scheduler),
    writeKubeconfig,
    // Before the kubelets, which write the authorities into the pods' volumes when they start.
    waitPublished,
    keepKubeletTrust,
    oneByOne('kubelet', 'the kubelets', allNodes, kubelet),
    ...(stage === 'issue' && authorities.includes('ca') ? [waitKubeletCertificates] : []),
    oneByOne('network', 'the pod network', allNodes, network),
    oneByOne('proxy', 'the service proxies', allNodes, proxy),
    oneByOne('dns', 'the cluster DNS', allNodes, dns),
    waitNodes,
    waitComponents({
      id: 'wait-components',
      title: 'Wait for the nodes’ components',
      nodes: allNodes,
      names: ['kubelet', 'network', 'proxy', 'dns'],
    }),
    ...(stage === 'trust' && authorities.includes('ca') ? [waitPodsTrust, tellPeople] : []),
  ];
  const named = (phase: Phase): Phase => ({
    ...phase,
    id: `${stage}-${phase.id}`,
    title: `${TITLES[stage]}: ${phase.title}`,
  });
  return [named(begin), ...steps.map((phase) => named(onlyWhere(due, phase)))];
}

const endPhase = (filesOf: (cluster: Cluster) => RotatedFiles): ClusterPhase => ({
  id: 'end',
  title: 'End the rotation',
  kind: 'change',
  run: (cluster) => end(filesOf(cluster)),
});

const etcdMembers: ClusterPhase = {
  id: 'etcd',
  title: 'the members of etcd',
  kind: 'change',
  run: async (cluster) => {
    if (!usesEtcd(cluster)) return;
    await keepMembers(cluster.controlPlanes.filter(hasServedEtcd), async (node) => {
      await checkServed(node.host, written(node, 'etcd/server'), ETCD_CLIENT_PORT);
      await checkServed(node.host, written(node, 'etcd/peer'), ETCD_PEER_PORT, node.address);
    });
  },
};

/** People keep their own kubeconfigs: they must hear of it before the old authority is dropped. */
const tellPeople: ClusterPhase = {
  id: 'people',
  title: 'Tell whose kubeconfigs end',
  kind: 'wait',
  run: async (cluster) => {
    const nowMs = cluster.clock.now();
    const people = (await readPeople(cluster.state)).filter(({ notAfterMs }) => notAfterMs > nowMs);
    const names = [...new Set(people.map(({ user }) => user))];
    if (names.length === 0) return;
    cluster.report({
      type: 'warning',
      node: undefined,
      message: `kubeconfigs that were given to ${names.join(', ')} end with the old authority: give new ones with "slipway kubeconfig" when the rotation has ended`,
    });
  },
};
