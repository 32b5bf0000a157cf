import type { Container, Probe, SELinuxOptions } from '../../../api/gen/types/core-v1.ts';
import { containersNamed, plural, quoted, setters, sorted, unlessUserNamespace } from './check.ts';
import type { Check, CheckPod } from './check.ts';
import { seccompBaseline } from './seccomp.ts';

const CAPABILITIES = new Set([
  'AUDIT_WRITE',
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'KILL',
  'MKNOD',
  'NET_BIND_SERVICE',
  'SETFCAP',
  'SETGID',
  'SETPCAP',
  'SETUID',
  'SYS_CHROOT',
]);

const SYSCTLS = [
  { from: 0, names: ['kernel.shm_rmid_forced', 'net.ipv4.ip_local_port_range', 'net.ipv4.tcp_syncookies'] },
  { from: 0, names: ['net.ipv4.ping_group_range', 'net.ipv4.ip_unprivileged_port_start'] },
  { from: 27, names: ['net.ipv4.ip_local_reserved_ports'] },
  { from: 29, names: ['net.ipv4.tcp_keepalive_time', 'net.ipv4.tcp_fin_timeout'] },
  { from: 29, names: ['net.ipv4.tcp_keepalive_intvl', 'net.ipv4.tcp_keepalive_probes'] },
  { from: 32, names: ['net.ipv4.tcp_rmem', 'net.ipv4.tcp_wmem'] },
];

const SELINUX_TYPES = ['', 'container_t', 'container_init_t', 'container_kvm_t'];
const APPARMOR_ANNOTATION = 'container.apparmor.security.beta.kubernetes.io/';

const appArmor: CheckPod = ({ metadata, spec, containers }) => {
  const allowed = (type: string | undefined): boolean =>
    type === undefined || type === 'RuntimeDefault' || type === 'Localhost';
  const own = spec.securityContext?.appArmorProfile?.type;
  const typeOf = (container: Container): string | undefined =>
    container.securityContext?.appArmorProfile?.type;
  const bad = containers.filter((container) => !allowed(typeOf(container)));
  const annotations = Object.entries(metadata.annotations ?? {})
    .filter(
      ([name, value]) =>
        name.startsWith(APPARMOR_ANNOTATION) &&
        !(value === '' || value === 'runtime/default' || value.startsWith('localhost/')),
    )
    .map(([name, value]) => `${name}=${JSON.stringify(value)}`)
    .sort();
  const types = [...(allowed(own) ? [] : [own ?? '']), ...bad.map((container) => typeOf(container) ?? '')];
  const values = [...sorted(types), ...annotations];
  if (values.length === 0) return undefined;
  const blamed = setters(!allowed(own), bad);
  const told = annotations.length > 0 ? plural(annotations.length, 'annotation') : '';
  return {
    reason: plural(values.length, 'forbidden AppArmor profile'),
    detail: `${[blamed, told].filter(Boolean).join(' and ')} must not set AppArmor profile type to ${quoted(values)}`,
  };
};

const capabilities: CheckPod = ({ containers }) => {
  const excess = ({ securityContext }: Container): string[] =>
    (securityContext?.capabilities?.add ?? []).filter((name) => !CAPABILITIES.has(name));
  const bad = containers.filter((container) => excess(container).length > 0);
  if (bad.length === 0) return undefined;
  const names = quoted(sorted(bad.flatMap(excess)));
  const detail = `${containersNamed(bad)} must not include ${names} in securityContext.capabilities.add`;
  return { reason: 'non-default capabilities', detail };
};

const hostNamespaces: CheckPod = ({ spec }) => {
  const shared = (['hostNetwork', 'hostPID', 'hostIPC'] as const).filter((name) => spec[name] === true);
  if (shared.length === 0) return undefined;
  return { reason: 'host namespaces', detail: shared.map((name) => `${name}=true`).join(', ') };
};

const hostPaths: CheckPod = ({ spec }) => {
  const volumes = (spec.volumes ?? []).filter(({ hostPath }) => hostPath).map(({ name }) => name);
  if (volumes.length === 0) return undefined;
  return { reason: 'hostPath volumes', detail: `${plural(volumes.length, 'volume')} ${quoted(volumes)}` };
};

const hostPorts: CheckPod = ({ containers }) => {
  const portsOf = ({ ports }: Container): string[] =>
    (ports ?? []).filter(({ hostPort }) => hostPort).map(({ hostPort }) => String(hostPort));
  const bad = containers.filter((container) => portsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const ports = sorted(bad.flatMap(portsOf));
  const uses = `${plural(bad.length, 'uses', 'use')} ${plural(ports.length, 'hostPort')}`;
  return { reason: 'hostPort', detail: `${containersNamed(bad)} ${uses} ${ports.join(', ')}` };
};

const probeHosts: CheckPod = ({ containers }) => {
  const hostsOf = ({ livenessProbe, readinessProbe, startupProbe, lifecycle }: Container): string[] => {
    const handlers: Array<Pick<Probe, 'httpGet' | 'tcpSocket'> | undefined> = [
      livenessProbe,
      readinessProbe,
      startupProbe,
      lifecycle?.postStart,
      lifecycle?.preStop,
    ];
    return handlers.flatMap((handler) =>
      [handler?.httpGet?.host, handler?.tcpSocket?.host].filter((host): host is string => !!host),
    );
  };
  const bad = containers.filter((container) => hostsOf(container).length > 0);
  if (bad.length === 0) return undefined;
  const names = sorted(bad.map(({ name }) => name));
  const hosts = sorted(bad.flatMap(hostsOf));
  const what = plural(hosts.length, 'probe or lifecycle host');
  return {
    reason: 'probe or lifecycle host',
    detail: `${plural(names.length, 'container')} ${quoted(names)} ${plural(names.length, 'uses', 'use')} ${what} ${quoted(hosts)}`,
  };
};

const privileged: CheckPod = ({ containers }) => {
  const bad = containers.filter(({ securityContext }) => securityContext?.privileged === true);
  if (bad.length === 0) return undefined;
  return {
    reason: 'privileged',
    detail: `${containersNamed(bad)} must not set securityContext.privileged=true`,
  };
};

export const procMount: CheckPod = ({ containers }) => {
  const of = ({ securityContext }: Container): string => securityContext?.procMount ?? 'Default';
  const bad = containers.filter((container) => of(container) !== 'Default');
  if (bad.length === 0) return undefined;
  const types = quoted(sorted(bad.map(of)));
  return {
    reason: 'procMount',
    detail: `${containersNamed(bad)} must not set securityContext.procMount to ${types}`,
  };
};

function seLinux(types: readonly string[]): CheckPod {
  const isBad = (options: SELinuxOptions | undefined): boolean =>
    options !== undefined && (!types.includes(options.type ?? '') || !!options.user || !!options.role);
  return ({ spec, containers }) => {
    const own = spec.securityContext?.seLinuxOptions;
    const bad = containers.filter(({ securityContext }) => isBad(securityContext?.seLinuxOptions));
    const blamed = setters(isBad(own), bad);
    if (blamed === '') return undefined;
    const all = [own, ...bad.map(({ securityContext }) => securityContext?.seLinuxOptions)].filter(isBad);
    const wrong = sorted(all.map((options) => options?.type ?? '').filter((type) => !types.includes(type)));
    const told = [
      ...(wrong.length > 0 ? [`${plural(wrong.length, 'type')} ${quoted(wrong)}`] : []),
      ...(all.some((options) => options?.user) ? ['user may not be set'] : []),
      ...(all.some((options) => options?.role) ? ['role may not be set'] : []),
    ];
    const detail = `${blamed} set forbidden securityContext.seLinuxOptions: ${told.join('; ')}`;
    return { reason: 'seLinuxOptions', detail };
  };
}

function sysctls(minor: number): CheckPod {
  const allowed = SYSCTLS.filter(({ from }) => from <= minor).flatMap(({ names }) => names);
  return ({ spec }) => {
    const bad = (spec.securityContext?.sysctls ?? []).filter(({ name }) => !allowed.includes(name));
    if (bad.length === 0) return undefined;
    return { reason: 'forbidden sysctls', detail: bad.map(({ name }) => name).join(', ') };
  };
}

const hostProcess: CheckPod = ({ spec, containers }) => {
  const bad = containers.filter(
    ({ securityContext }) => securityContext?.windowsOptions?.hostProcess === true,
  );
  const blamed = setters(spec.securityContext?.windowsOptions?.hostProcess === true, bad);
  if (blamed === '') return undefined;
  return {
    reason: 'hostProcess',
    detail: `${blamed} must not set securityContext.windowsOptions.hostProcess=true`,
  };
};

const since0 = (id: string, check: CheckPod): Check => ({
  id,
  level: 'baseline',
  versions: [{ from: 0, check }],
});

/** Mirrors policy/check_*.go of pod-security-admission. */
export const BASELINE_CHECKS: readonly Check[] = [
  since0('appArmorProfile', appArmor),
  since0('capabilities_baseline', capabilities),
  since0('hostNamespaces', hostNamespaces),
  since0('hostPathVolumes', hostPaths),
  since0('hostPorts', hostPorts),
  { id: 'hostProbesAndHostLifecycle', level: 'baseline', versions: [{ from: 34, check: probeHosts }] },
  since0('privileged', privileged),
  {
    id: 'procMount',
    level: 'baseline',
    versions: [
      { from: 0, check: procMount },
      { from: 35, check: unlessUserNamespace(procMount) },
    ],
  },
  {
    id: 'seLinuxOptions',
    level: 'baseline',
    versions: [
      { from: 0, check: seLinux(SELINUX_TYPES) },
      { from: 31, check: seLinux([...SELINUX_TYPES, 'container_engine_t']) },
    ],
  },
  seccompBaseline,
  {
    id: 'sysctls',
    level: 'baseline',
    versions: [0, 27, 29, 32].map((from) => ({ from, check: sysctls(from) })),
  },
  since0('windowsHostProcess', hostProcess),
];
