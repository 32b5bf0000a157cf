import { MountPropagation, NamespaceMode, ProfileType, Protocol } from './gen/types.ts';
import type {
  ContainerConfig,
  LinuxContainerResources,
  LinuxContainerSecurityContext,
  LinuxSandboxSecurityContext,
  NamespaceOption,
  PodSandboxConfig,
} from './runtime.ts';

/** runtime.ts's shapes in the names of api.proto. */
export function toSandboxConfig(config: PodSandboxConfig): object {
  return {
    metadata: config.metadata,
    hostname: config.hostname,
    log_directory: config.logDirectory,
    ...(config.dnsConfig ? { dns_config: config.dnsConfig } : {}),
    port_mappings: config.portMappings.map((port) => ({
      protocol: Protocol[port.protocol],
      container_port: port.containerPort,
      host_port: port.hostPort,
      host_ip: port.hostIp,
    })),
    labels: config.labels,
    annotations: config.annotations,
    linux: {
      cgroup_parent: config.linux.cgroupParent,
      security_context: toSandboxContext(config.linux.securityContext),
      sysctls: config.linux.sysctls,
      ...(config.linux.resources ? { resources: toLinuxResources(config.linux.resources) } : {}),
    },
  };
}

export function toContainerConfig(config: ContainerConfig): object {
  return {
    metadata: config.metadata,
    image: { image: config.image.image, user_specified_image: config.image.userSpecifiedImage },
    command: config.command,
    args: config.args,
    working_dir: config.workingDir,
    envs: config.envs,
    mounts: config.mounts.map((mount) => ({
      container_path: mount.containerPath,
      host_path: mount.hostPath,
      readonly: mount.readonly,
      selinux_relabel: mount.selinuxRelabel,
      propagation: MountPropagation[mount.propagation],
    })),
    devices: config.devices.map((device) => ({
      container_path: device.containerPath,
      host_path: device.hostPath,
      permissions: device.permissions,
    })),
    labels: config.labels,
    annotations: config.annotations,
    log_path: config.logPath,
    stdin: config.stdin,
    stdin_once: config.stdinOnce,
    tty: config.tty,
    linux: {
      resources: toLinuxResources(config.linux.resources),
      security_context: toContainerContext(config.linux.securityContext),
    },
  };
}

export function toLinuxResources(resources: LinuxContainerResources): object {
  return {
    cpu_period: resources.cpuPeriod ?? 0,
    cpu_quota: resources.cpuQuota ?? 0,
    cpu_shares: resources.cpuShares ?? 0,
    memory_limit_in_bytes: resources.memoryLimitInBytes ?? 0,
    oom_score_adj: resources.oomScoreAdj ?? 0,
  };
}

function toNamespaces(options: NamespaceOption): object {
  return {
    network: NamespaceMode[options.network],
    pid: NamespaceMode[options.pid],
    ipc: NamespaceMode[options.ipc],
    target_id: options.targetId ?? '',
  };
}

function toSandboxContext(context: LinuxSandboxSecurityContext): object {
  return {
    namespace_options: toNamespaces(context.namespaceOptions),
    privileged: context.privileged,
    readonly_rootfs: context.readonlyRootfs ?? false,
    supplemental_groups: context.supplementalGroups ?? [],
    ...(context.selinuxOptions ? { selinux_options: context.selinuxOptions } : {}),
    ...(context.runAsUser === undefined ? {} : { run_as_user: { value: context.runAsUser } }),
    ...(context.runAsGroup === undefined ? {} : { run_as_group: { value: context.runAsGroup } }),
    ...(context.seccomp
      ? {
          seccomp: {
            profile_type: ProfileType[context.seccomp.profileType],
            localhost_ref: context.seccomp.localhostRef ?? '',
          },
        }
      : {}),
  };
}

function toContainerContext(context: LinuxContainerSecurityContext): object {
  return {
    ...toSandboxContext(context),
    no_new_privs: context.noNewPrivs,
    run_as_username: context.runAsUsername ?? '',
    masked_paths: context.maskedPaths,
    readonly_paths: context.readonlyPaths,
    ...(context.capabilities
      ? {
          capabilities: {
            add_capabilities: context.capabilities.addCapabilities,
            drop_capabilities: context.capabilities.dropCapabilities,
          },
        }
      : {}),
  };
}
