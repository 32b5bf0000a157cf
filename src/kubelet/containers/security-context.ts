import type { Container, Pod, SecurityContext } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import type {
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  SecurityProfile,
} from '../cri/runtime.ts';
import { allContainers, formatPod, isHostNetwork, specOf } from '../pods/pod-spec.ts';

/** The user of an image: `uid`, or else a name that only the image can resolve. */
export interface ImageUser {
  uid?: number;
  username: string;
}

/** What runtimes hide and protect of /proc and /sys. Mirrors pkg/securitycontext/util.go. */
const MASKED_PATHS = [
  '/proc/asound',
  '/proc/acpi',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/sys/firmware',
  '/sys/devices/virtual/powercap',
];
const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

/** The pod's context under the container's own. Mirrors DetermineEffectiveSecurityContext. */
export function effectiveSecurityContext(pod: Pod, container: Container): SecurityContext {
  const ofPod = specOf(pod).securityContext;
  const inherited: SecurityContext = {};
  if (ofPod?.runAsUser !== undefined) inherited.runAsUser = ofPod.runAsUser;
  if (ofPod?.runAsGroup !== undefined) inherited.runAsGroup = ofPod.runAsGroup;
  if (ofPod?.runAsNonRoot !== undefined) inherited.runAsNonRoot = ofPod.runAsNonRoot;
  if (ofPod?.seLinuxOptions) inherited.seLinuxOptions = ofPod.seLinuxOptions;
  return { ...inherited, ...container.securityContext };
}

export function namespaceOptions(pod: Pod, targetId?: string): NamespaceOption {
  const spec = specOf(pod);
  const pid = spec.hostPID ? 'NODE' : spec.shareProcessNamespace ? 'POD' : 'CONTAINER';
  return {
    network: isHostNetwork(pod) ? 'NODE' : 'POD',
    ipc: spec.hostIPC ? 'NODE' : 'POD',
    // An ephemeral container that debugs another one shares its processes.
    pid: targetId !== undefined && pid === 'CONTAINER' ? 'TARGET' : pid,
    ...(targetId === undefined ? {} : { targetId }),
  };
}

export function containerSecurityContext(
  pod: Pod,
  container: Container,
  user: ImageUser,
  targetId?: string,
): LinuxContainerSecurityContext {
  const context = effectiveSecurityContext(pod, container);
  const ofPod = specOf(pod).securityContext;
  const runAsUser = context.runAsUser ?? user.uid;
  const groups = [
    ...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup]),
    ...(ofPod?.supplementalGroups ?? []),
  ];
  const unmasked = context.procMount === 'Unmasked';
  return {
    namespaceOptions: namespaceOptions(pod, targetId),
    privileged: context.privileged ?? false,
    readonlyRootfs: context.readOnlyRootFilesystem ?? false,
    supplementalGroups: groups,
    seccomp: seccompOf(pod, container),
    noNewPrivs: context.allowPrivilegeEscalation === false,
    maskedPaths: unmasked ? [] : MASKED_PATHS,
    readonlyPaths: unmasked ? [] : READONLY_PATHS,
    ...(runAsUser === undefined ? {} : { runAsUser }),
    ...(context.runAsUser === undefined && user.uid === undefined && user.username !== ''
      ? { runAsUsername: user.username }
      : {}),
    ...(context.runAsGroup === undefined ? {} : { runAsGroup: context.runAsGroup }),
    ...(context.seLinuxOptions ? { selinuxOptions: context.seLinuxOptions } : {}),
    ...(context.capabilities
      ? {
          capabilities: {
            addCapabilities: context.capabilities.add ?? [],
            dropCapabilities: context.capabilities.drop ?? [],
          },
        }
      : {}),
  };
}

export function sandboxSecurityContext(pod: Pod): LinuxSandboxSecurityContext {
  const ofPod = specOf(pod).securityContext;
  const privileged = allContainers(pod).some((container) => container.securityContext?.privileged === true);
  return {
    namespaceOptions: namespaceOptions(pod),
    privileged,
    // The sandbox itself needs no system call that the runtime's profile refuses.
    seccomp: { profileType: 'RuntimeDefault' },
    supplementalGroups: [
      ...(ofPod?.fsGroup === undefined ? [] : [ofPod.fsGroup]),
      ...(ofPod?.supplementalGroups ?? []),
    ],
    ...(ofPod?.runAsUser === undefined ? {} : { runAsUser: ofPod.runAsUser }),
    ...(ofPod?.runAsGroup === undefined ? {} : { runAsGroup: ofPod.runAsGroup }),
    ...(ofPod?.seLinuxOptions ? { selinuxOptions: ofPod.seLinuxOptions } : {}),
  };
}

function seccompOf(pod: Pod, container: Container): SecurityProfile {
  const profile = container.securityContext?.seccompProfile ?? specOf(pod).securityContext?.seccompProfile;
  switch (profile?.type) {
    case 'RuntimeDefault':
      return { profileType: 'RuntimeDefault' };
    case 'Localhost':
      if (!profile.localhostProfile) {
        throw new SlipwayError(
          'E_SECCOMP',
          'localhostProfile must be set if seccompProfile type is Localhost.',
        );
      }
      return {
        profileType: 'Localhost',
        localhostRef: `/var/lib/kubelet/seccomp/${profile.localhostProfile}`,
      };
    default:
      return { profileType: 'Unconfined' };
  }
}

/** Refuses to run as root a container that must not. Mirrors verifyRunAsNonRoot. */
export function verifyRunAsNonRoot(pod: Pod, container: Container, user: ImageUser): void {
  const context = effectiveSecurityContext(pod, container);
  if (context.runAsNonRoot !== true) return;
  const where = `(pod: "${formatPod(pod)}", container: ${container.name})`;
  if (context.runAsUser !== undefined) {
    if (context.runAsUser !== 0) return;
    throw new SlipwayError('E_RUN_AS_NON_ROOT', `container's runAsUser breaks non-root policy ${where}`);
  }
  if (user.uid === 0) {
    throw new SlipwayError(
      'E_RUN_AS_NON_ROOT',
      `container has runAsNonRoot and image will run as root ${where}`,
    );
  }
  if (user.uid === undefined) {
    throw new SlipwayError(
      'E_RUN_AS_NON_ROOT',
      `container has runAsNonRoot and image has non-numeric user (${user.username}), cannot verify user is non-root ${where}`,
    );
  }
}
