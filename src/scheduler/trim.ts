import type { Container, Node, Pod } from '../api/gen/types/core-v1.ts';

/** A pod without what the scheduler never reads: of a large cluster it holds every one. */
export function trimPod(pod: Pod): Pod {
  const { apiVersion, kind, metadata, spec, status } = pod;
  const {
    name,
    namespace,
    uid,
    resourceVersion,
    labels,
    ownerReferences,
    creationTimestamp,
    deletionTimestamp,
  } = metadata ?? {};
  const slim = { ...spec } as NonNullable<Pod['spec']>;
  slim.containers = slim.containers?.map(trimContainer) ?? [];
  slim.initContainers = slim.initContainers?.map(trimContainer);
  delete slim.volumes;
  delete slim.ephemeralContainers;
  delete slim.securityContext;
  const { phase, startTime, nominatedNodeName, conditions } = status ?? {};
  const allocated = status?.containerStatuses?.filter(({ allocatedResources }) => allocatedResources);
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      namespace,
      uid,
      resourceVersion,
      labels,
      ownerReferences,
      creationTimestamp,
      deletionTimestamp,
    },
    spec: slim,
    status: {
      phase,
      startTime,
      nominatedNodeName,
      conditions: conditions?.filter(({ type }) => type === 'PodScheduled'),
      ...(allocated?.length ? { containerStatuses: allocated } : {}),
    },
  };
}

function trimContainer({ name, image, resources, ports, restartPolicy }: Container): Container {
  return { name, image, resources, ports, restartPolicy };
}

export function trimNode(node: Node): Node {
  const { apiVersion, kind, metadata, spec, status } = node;
  const { name, uid, resourceVersion, labels } = metadata ?? {};
  const { unschedulable, taints } = spec ?? {};
  const { allocatable, images } = status ?? {};
  return {
    apiVersion,
    kind,
    metadata: { name, uid, resourceVersion, labels },
    spec: { unschedulable, taints },
    status: { allocatable, images },
  };
}
