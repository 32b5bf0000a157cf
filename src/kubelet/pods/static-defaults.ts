import type { Container, Pod, Probe } from '../../api/gen/types/core-v1.ts';
import { parseImageName } from '../images/image-name.ts';
import { specOf } from './pod-spec.ts';

/** What the API server would have put into a pod; manifests do not pass it. Mirrors pkg/apis/core/v1/defaults.go, as far as the kubelet reads it. */
export function defaultPod(pod: Pod): Pod {
  const spec = specOf(pod);
  return {
    ...pod,
    spec: {
      ...spec,
      restartPolicy: spec.restartPolicy ?? 'Always',
      dnsPolicy: spec.dnsPolicy ?? 'ClusterFirst',
      terminationGracePeriodSeconds: spec.terminationGracePeriodSeconds ?? 30,
      enableServiceLinks: spec.enableServiceLinks ?? true,
      schedulerName: spec.schedulerName ?? 'default-scheduler',
      securityContext: spec.securityContext ?? {},
      // A static pod stays whatever the node is tainted with.
      tolerations: spec.tolerations ?? [{ operator: 'Exists', effect: 'NoExecute' }],
      containers: spec.containers.map((container) => defaultContainer(container, spec.hostNetwork === true)),
      ...(spec.initContainers
        ? {
            initContainers: spec.initContainers.map((one) =>
              defaultContainer(one, spec.hostNetwork === true),
            ),
          }
        : {}),
    },
  };
}

function defaultContainer(container: Container, hostNetwork: boolean): Container {
  const latest = parseImageName(container.image ?? '')?.tag === 'latest';
  const limits = container.resources?.limits;
  return {
    ...container,
    imagePullPolicy: container.imagePullPolicy ?? (latest ? 'Always' : 'IfNotPresent'),
    terminationMessagePath: container.terminationMessagePath ?? '/dev/termination-log',
    terminationMessagePolicy: container.terminationMessagePolicy ?? 'File',
    resources: {
      ...container.resources,
      ...(limits ? { requests: { ...limits, ...container.resources?.requests } } : {}),
    },
    ports: container.ports?.map((port) => ({
      ...port,
      protocol: port.protocol ?? 'TCP',
      hostPort: port.hostPort ?? (hostNetwork ? port.containerPort : undefined),
    })),
    livenessProbe: defaultProbe(container.livenessProbe),
    readinessProbe: defaultProbe(container.readinessProbe),
    startupProbe: defaultProbe(container.startupProbe),
  };
}

function defaultProbe(probe: Probe | undefined): Probe | undefined {
  if (!probe) return undefined;
  return { periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3, ...probe };
}
