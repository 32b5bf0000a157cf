import { componentPhase } from '../components/component.ts';
import { apiserver, controllerManager, scheduler } from '../components/control-plane.ts';
import { containerd, dns, kubelet, network, proxy } from '../components/node.ts';
import { virtualAddress } from '../components/virtual-address.ts';
import { allNodes, controlPlanes, type Phase } from '../phase.ts';
import { apiForPlan } from '../phases/api-for-plan.ts';
import { applyBootstrapObjects } from '../phases/bootstrap-objects.ts';
import { issueBootstrapTokens, revokeBootstrapTokens } from '../phases/bootstrap-tokens.ts';
import { connect } from '../phases/connect.ts';
import { formEtcd, inspectEtcd, installEtcd, validateEtcd } from '../phases/etcd.ts';
import { installExecutable } from '../phases/executable.ts';
import { facts } from '../phases/facts.ts';
import { installMissingPackages, needsKeepalived, validateBundle } from '../phases/packages.ts';
import { pki } from '../phases/pki.ts';
import { prepareServer } from '../phases/prepare-server.ts';
import { scheduleSnapshots } from '../phases/snapshots.ts';
import { importSandboxImage } from '../phases/sandbox-image.ts';
import { validateRelease } from '../phases/validate-release.ts';
import { validateServers, validateTogether } from '../phases/validate-servers.ts';
import { keepKubeletTrust } from '../phases/kubelet-trust.ts';
import { untilReady, waitApiserver } from '../phases/wait-apiserver.ts';
import { validateVirtualAddress } from '../phases/validate-virtual-address.ts';
import { waitComponents } from '../phases/wait-components.ts';
import { labelNodes, waitNodes } from '../phases/wait-nodes.ts';
import { writeKubeconfig } from '../phases/write-kubeconfig.ts';
import { qualify } from '../preflight/phases.ts';
import { runAction, type ActionOptions } from './run-action.ts';

export interface UpResult {
  changes: ReadonlyArray<{ node: string | undefined; change: string }>;
  kubeconfigPath: string;
}

/** The runbook: from bare servers to a cluster, and again from there, changing only what differs. */
export const upPhases = (open: ActionOptions['open']): Phase[] => [
  inspectEtcd,
  connect(open),
  facts,
  validateServers,
  validateTogether,
  validateRelease,
  ...qualify(),
  validateEtcd,
  validateVirtualAddress,
  validateBundle,
  pki,
  apiForPlan,
  prepareServer,
  installMissingPackages,
  installExecutable,
  componentPhase({ id: 'containerd', title: 'Configure containerd', nodes: allNodes, component: containerd }),
  importSandboxImage,
  installEtcd,
  formEtcd,
  componentPhase({
    id: 'apiserver',
    title: 'Start the API server',
    nodes: controlPlanes,
    component: apiserver,
    settle: untilReady,
  }),
  waitApiserver,
  componentPhase({
    id: 'virtual-address',
    title: 'Hold the virtual address',
    nodes: (cluster) => controlPlanes(cluster).filter(needsKeepalived),
    component: virtualAddress,
  }),
  applyBootstrapObjects,
  componentPhase({
    id: 'controller-manager',
    title: 'Start the controllers',
    nodes: controlPlanes,
    component: controllerManager,
  }),
  componentPhase({
    id: 'scheduler',
    title: 'Start the scheduler',
    nodes: controlPlanes,
    component: scheduler,
  }),
  scheduleSnapshots,
  issueBootstrapTokens,
  componentPhase({ id: 'network', title: 'Start the pod network', nodes: allNodes, component: network }),
  keepKubeletTrust,
  componentPhase({ id: 'kubelet', title: 'Start the kubelets', nodes: allNodes, component: kubelet }),
  componentPhase({ id: 'proxy', title: 'Start the service proxy', nodes: allNodes, component: proxy }),
  componentPhase({ id: 'dns', title: 'Start the cluster DNS', nodes: allNodes, component: dns }),
  waitComponents({
    id: 'wait-control-plane',
    title: 'Wait for controllers and scheduler',
    nodes: controlPlanes,
    names: ['controller-manager', 'scheduler'],
  }),
  waitNodes,
  labelNodes,
  waitComponents({
    id: 'wait-components',
    title: 'Wait for the nodes’ components',
    nodes: allNodes,
    names: ['kubelet', 'network', 'proxy', 'dns'],
  }),
  revokeBootstrapTokens,
  writeKubeconfig,
];

/** Brings the servers of the inventory to what it says. Errors: PhaseError, which names servers, step and cause. */
export async function up(options: ActionOptions): Promise<UpResult> {
  const { changes, cluster } = await runAction(options, upPhases(options.open));
  return { changes, kubeconfigPath: cluster.state.kubeconfigPath };
}
