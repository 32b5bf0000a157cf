import { oneOf } from './generate.ts';
import type { Place, Rules } from './generate.ts';
import { onHostNetwork } from './pod-rules.ts';

/** Of what is reported of pods. */
export const POD_STATUS_RULES: Rules = {
  PodStatus: {
    fields: {
      phase: 'Running',
      hostIP: '192.0.2.5',
      hostIPs: [{ ip: '192.0.2.5' }],
      podIP: '10.1.2.3',
      podIPs: [{ ip: '10.1.2.3' }, { ip: 'fd00::3' }],
      qosClass: 'Burstable',
      nominatedNodeName: (place: Place) => (onHostNetwork(place) ? undefined : 'node-2'),
    },
  },
  ResourceHealth: { fields: { health: 'Healthy' } },
  ResourceStatus: { fields: { name: 'claim:claim-a/one' } },
  ContainerStatus: {
    fields: {
      name: ({ path }: Place) =>
        path.includes('init') ? 'init-first' : path.includes('ephemeral') ? 'e' : 'first',
      allocatedResourcesStatus: ({ path }: Place) =>
        path.includes('ephemeral')
          ? undefined
          : [
              {
                name: 'claim:claim-a/one',
                resources: [{ resourceID: 'd', health: 'Healthy', message: 'm' }],
              },
            ],
      stopSignal: 'SIGUSR1',
    },
  },
  ContainerState: { either: oneOf(['waiting', 'running', 'terminated']) },
  PodResourceClaimStatus: { fields: { name: 'claim-a', resourceClaimName: 'claim' } },
  ContainerExtendedResourceRequest: {
    fields: { containerName: 'first', resourceName: 'example.com/gpu', requestName: 'container-0-request-0' },
  },
  PodCondition: { fields: { type: 'Ready', status: 'True', reason: 'Reason' } },
};
