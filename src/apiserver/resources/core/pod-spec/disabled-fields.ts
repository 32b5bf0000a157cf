import type { ContainerStatus, PodSpec, PodStatus } from '../../../../api/gen/types/core-v1.ts';

/**
 * Takes out what upstream's features guard that are off by default in 1.36: ContainerStopSignals, GenericWorkload,
 * ClusterTrustBundleProjection and PodCertificateRequest. Mirrors dropDisabledFields of pkg/api/pod/util.go.
 */
export function dropDisabledPodFields(spec: PodSpec): void {
  delete spec.schedulingGroup;
  for (const list of ['initContainers', 'containers', 'ephemeralContainers'] as const) {
    for (const container of spec[list] ?? []) {
      if (container.lifecycle?.stopSignal === undefined) continue;
      delete container.lifecycle.stopSignal;
      if (Object.keys(container.lifecycle).length === 0) delete container.lifecycle;
    }
  }
  for (const source of (spec.volumes ?? []).flatMap(({ projected }) => projected?.sources ?? [])) {
    delete source.clusterTrustBundle;
    delete source.podCertificate;
  }
}

/** The same of what is reported: ImageVolumeWithDigest and DRANodeAllocatableResources. */
export function dropDisabledPodStatus(status: PodStatus): void {
  delete status.nodeAllocatableResourceClaimStatuses;
  for (const container of [
    ...(status.initContainerStatuses ?? []),
    ...(status.containerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ] as ContainerStatus[]) {
    for (const mount of container.volumeMounts ?? []) delete mount.volumeStatus;
  }
}
