import type { Clock } from '../base/clock.ts';
import { runTogether } from '../base/lifecycle.ts';
import type { Logger } from '../base/log.ts';
import type { Client } from '../client/client.ts';
import { InformerFactory } from '../client/informer-factory.ts';
import { runWhileLeader } from '../client/leader-election.ts';
import type { Identity } from '../pki/issue.ts';
import { bootstrapTokenController } from './bootstrap-tokens/bootstrap-tokens.ts';
import { certificateApprovingController } from './certificates/approving.ts';
import { certificateCleanerController } from './certificates/cleaner.ts';
import { certificateSigningController } from './certificates/signing.ts';
import { clusterRoleAggregationController } from './clusterrole-aggregation/clusterrole-aggregation.ts';
import { daemonSetController } from './daemonset/daemonset.ts';
import { deploymentController } from './deployment/deployment.ts';
import { disruptionController } from './disruption/disruption.ts';
import { endpointSliceController } from './endpoint-slices/endpoint-slices.ts';
import { endpointsController } from './endpoints/endpoints.ts';
import { garbageCollectorController } from './garbage-collector/garbage-collector.ts';
import { jobController } from './job/job.ts';
import { namespaceController } from './namespace/namespace.ts';
import { nodeLifecycleController } from './node-lifecycle/node-lifecycle.ts';
import { podGcController } from './pod-gc/pod-gc.ts';
import { podRangesController } from './pod-ranges/pod-ranges.ts';
import { replicaSetController, replicationControllerController } from './replicaset/replicaset.ts';
import { resourceQuotaController } from './resource-quota/resource-quota.ts';
import { rootCaController } from './root-ca/root-ca.ts';
import { serviceAccountController } from './serviceaccount/serviceaccount.ts';
import type { ControllerContext, ControllerDefinition } from './shared/controller.ts';
import { Discovery } from './shared/discovery.ts';
import { statefulSetController } from './statefulset/statefulset.ts';
import { taintEvictionController } from './taint-eviction/taint-eviction.ts';
import { ttlAfterFinishedController } from './ttl-after-finished/ttl-after-finished.ts';

export interface ControllerManagerOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  /** Unique to this process; names the leader. */
  identity: string;
  /** False runs at once, without a lease: only where there can be no second one. Default true. */
  leaderElect?: boolean;
  /** '10.244.0.0/16'; without it nodes get no pod ranges. */
  clusterCidr?: string;
  /** Default 24. */
  nodeCidrMaskSize?: number;
  /** Signs approved certificate requests; without it they wait. The certificate may carry its chain. */
  signing?: Identity;
  /** Published as kube-root-ca.crt; without it no such ConfigMap is made. */
  rootCaPem?: string;
  /** A kubelet silent for so long is taken for lost. Default 40 s. */
  nodeMonitorGracePeriodMs?: number;
  /** How long others wait for a leader that vanished, how long it may fail to renew, and between tries. */
  leaseDurationMs?: number;
  renewMs?: number;
  retryMs?: number;
}

const LEASE = 'kube-controller-manager';

/** Runs all controllers while this process leads, until the signal aborts. */
export async function runControllerManager(
  options: ControllerManagerOptions,
  signal: AbortSignal,
): Promise<void> {
  const { client, clock, log, identity, leaseDurationMs, renewMs, retryMs } = options;
  const run = (leading: AbortSignal): Promise<void> => runControllers(options, leading);
  if (options.leaderElect === false) return run(signal);
  const timing = Object.fromEntries(
    Object.entries({ leaseDurationMs, renewMs, retryMs }).filter(([, ms]) => ms !== undefined),
  );
  await runWhileLeader({ client, clock, log, identity, leaseName: LEASE, ...timing }, run, signal);
}

/** The controllers that these options call for, in the order of their start. */
function controllers(options: ControllerManagerOptions): ControllerDefinition[] {
  const { clusterCidr, nodeCidrMaskSize = 24, signing, rootCaPem, nodeMonitorGracePeriodMs } = options;
  return [
    serviceAccountController,
    ...(rootCaPem === undefined ? [] : [rootCaController(rootCaPem)]),
    clusterRoleAggregationController,
    certificateApprovingController,
    ...(signing === undefined ? [] : [certificateSigningController(signing)]),
    certificateCleanerController,
    bootstrapTokenController,
    ...(clusterCidr === undefined ? [] : [podRangesController({ clusterCidr, nodeCidrMaskSize })]),
    nodeLifecycleController({ gracePeriodMs: nodeMonitorGracePeriodMs }),
    taintEvictionController,
    deploymentController,
    daemonSetController,
    statefulSetController,
    jobController,
    ttlAfterFinishedController,
    replicaSetController,
    replicationControllerController,
    endpointSliceController,
    endpointsController,
    disruptionController,
    podGcController,
    resourceQuotaController,
    namespaceController,
    garbageCollectorController,
  ];
}

/** A term: fresh caches at its start, so that nothing is decided on what an earlier term knew. */
async function runControllers(options: ControllerManagerOptions, signal: AbortSignal): Promise<void> {
  const { client, clock, log } = options;
  const informers = new InformerFactory(client, clock, log);
  const context: ControllerContext = {
    client,
    informers,
    clock,
    log,
    discovery: new Discovery(client, clock),
  };
  const definitions = controllers(options);
  const loops = definitions.flatMap((definition) => definition.start(context));
  log.info({ controllers: definitions.map(({ name }) => name) }, 'controllers start');
  await runTogether([(all) => informers.run(all), ...loops], signal);
}
