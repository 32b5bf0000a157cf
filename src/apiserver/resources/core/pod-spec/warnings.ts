import type {
  Container,
  ContainerPort,
  NodeSelectorTerm,
  PodSpec,
  PodTemplateSpec,
} from '../../../../api/gen/types/core-v1.ts';
import type { ObjectMeta } from '../../../../api/gen/types/meta-v1.ts';
import { jsonQuote } from '../../../json-quote.ts';
import { at, child, key, sameJson } from '../../validation/checks.ts';
import { ipWarnings } from '../../validation/ip-warnings.ts';
import { canonicalQuantity, isQuantity, isWholeQuantity } from '../../validation/quantities.ts';
import { claimSpecWarnings } from '../claim-warnings.ts';
import { nodeLabelWarning, nodeTermWarnings } from './node-label-warnings.ts';
import { overlappingPathWarnings } from './path-warnings.ts';
import { APPARMOR_CONTAINER } from './annotations.ts';

/** Annotations that did something once. */
const DEAD_ANNOTATIONS: ReadonlyArray<readonly [key: string, message: string]> = [
  [
    'scheduler.alpha.kubernetes.io/critical-pod',
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  ],
  ['security.alpha.kubernetes.io/sysctls', 'non-functional in v1.11+; use the "sysctls" field instead'],
  [
    'security.alpha.kubernetes.io/unsafe-sysctls',
    'non-functional in v1.11+; use the "sysctls" field instead',
  ],
];

const DEAD_VOLUMES = [
  ['photonPersistentDisk', 'deprecated in v1.11, non-functional in v1.16+'],
  ['gitRepo', 'deprecated in v1.11, and disabled by default in v1.33+'],
  ['scaleIO', 'deprecated in v1.16, non-functional in v1.22+'],
  ['flocker', 'deprecated in v1.22, non-functional in v1.25+'],
  ['storageos', 'deprecated in v1.22, non-functional in v1.25+'],
  ['quobyte', 'deprecated in v1.22, non-functional in v1.25+'],
  ['glusterfs', 'deprecated in v1.25, non-functional in v1.26+'],
  ['cephfs', 'deprecated in v1.28, non-functional in v1.31+'],
  ['rbd', 'deprecated in v1.28, non-functional in v1.31+'],
] as const;

const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod';
const SECCOMP_CONTAINER = 'container.seccomp.security.alpha.kubernetes.io/';
const USE_SECCOMP_FIELD = 'non-functional in v1.27+; use the "seccompProfile" field instead';
const NO_POD = 'a null labelSelector results in matching no pod';

/**
 * What one should know about a pod that is let through all the same. `path` is that of the template; '' for
 * a pod. Mirrors pkg/api/pod/warnings.go.
 */
export function podWarnings(path: string, pod: PodTemplateSpec | undefined): string[] {
  const spec = pod?.spec;
  if (!spec) return [];
  const metadata = pod.metadata ?? {};
  const inSpec = child(path, 'spec');
  const containers = containersOf(spec, inSpec);
  return [
    ...schedulingWarnings(inSpec, spec),
    ...annotationWarnings(path, metadata, spec, containers),
    ...volumeWarnings(inSpec, spec),
    ...listWarnings(inSpec, spec),
    ...amountWarnings(child(inSpec, 'overhead'), spec.overhead),
    ...containers.flatMap(({ container, path: here }) => [
      ...amountWarnings(child(here, 'resources', 'limits'), container.resources?.limits),
      ...amountWarnings(child(here, 'resources', 'requests'), container.resources?.requests),
      ...envWarnings(here, container),
    ]),
    ...portWarnings(containers),
    ...affinityWarnings(inSpec, spec),
    ...addressWarnings(inSpec, spec),
  ];
}

interface PlacedContainer {
  container: Container;
  path: string;
}

/** In the order in which upstream visits them. */
function containersOf(spec: PodSpec, path: string): PlacedContainer[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map((container, index) => ({
      container,
      path: at(child(path, list), index),
    })),
  );
}

function schedulingWarnings(path: string, spec: PodSpec): string[] {
  const warnings: string[] = [];
  for (const label of Object.keys(spec.nodeSelector ?? {})) {
    const text = nodeLabelWarning(label);
    if (text !== undefined) warnings.push(`${key(child(path, 'nodeSelector'), label)}: ${text}`);
  }
  const affinity = spec.affinity?.nodeAffinity;
  const here = child(path, 'affinity', 'nodeAffinity');
  const hard = child(here, 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms');
  const terms: NodeSelectorTerm[] =
    affinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms ?? [];
  terms.forEach((term, index) => warnings.push(...nodeTermWarnings(at(hard, index), term, false)));
  (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach(({ preference }, index) => {
    const soft = at(child(here, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
    warnings.push(...nodeTermWarnings(child(soft, 'preference'), preference, true));
  });
  (spec.topologySpreadConstraints ?? []).forEach((constraint, index) => {
    const field = at(child(path, 'topologySpreadConstraints'), index);
    const text = nodeLabelWarning(constraint.topologyKey);
    if (text !== undefined) {
      warnings.push(`${child(field, 'topologyKey')}: ${constraint.topologyKey} is ${text}`);
    }
    if (!constraint.labelSelector) warnings.push(`${child(field, 'labelSelector')}: ${NO_POD}`);
  });
  return warnings;
}

function annotationWarnings(
  path: string,
  metadata: ObjectMeta,
  spec: PodSpec,
  containers: readonly PlacedContainer[],
): string[] {
  const annotations = metadata.annotations ?? {};
  const has = (name: string): boolean => Object.hasOwn(annotations, name);
  const field = (name: string): string => key(child(path, 'metadata', 'annotations'), name);
  const warnings = DEAD_ANNOTATIONS.filter(([name]) => has(name)).map(
    ([name, message]) => `${field(name)}: ${message}`,
  );
  if (!spec.securityContext?.seccompProfile && has(SECCOMP_POD)) {
    warnings.push(`${field(SECCOMP_POD)}: ${USE_SECCOMP_FIELD}`);
  }
  for (const { container } of containers) {
    const seccomp = SECCOMP_CONTAINER + container.name;
    if (!container.securityContext?.seccompProfile && has(seccomp)) {
      warnings.push(`${field(seccomp)}: ${USE_SECCOMP_FIELD}`);
    }
    const apparmor = APPARMOR_CONTAINER + container.name;
    // Of a pod itself the annotation becomes the field.
    if (path === '' || container.securityContext?.appArmorProfile || !has(apparmor)) continue;
    const ofPod = spec.securityContext?.appArmorProfile;
    if (ofPod && sameJson(ofPod, appArmorOf(annotations[apparmor] ?? ''))) continue;
    warnings.push(`${field(apparmor)}: deprecated since v1.30; use the "appArmorProfile" field instead`);
  }
  return warnings;
}

/** The field's form of an AppArmor annotation. Mirrors ApparmorFieldForAnnotation of pkg/api/pod/util.go. */
export function appArmorOf(annotation: string): { type: string; localhostProfile?: string } | undefined {
  if (annotation === 'unconfined') return { type: 'Unconfined' };
  if (annotation === 'runtime/default') return { type: 'RuntimeDefault' };
  const localhostProfile = /^localhost\/(.+)$/s.exec(annotation)?.[1];
  return localhostProfile === undefined ? undefined : { type: 'Localhost', localhostProfile };
}

function volumeWarnings(path: string, spec: PodSpec): string[] {
  const volumes = spec.volumes ?? [];
  const warnings = volumes.flatMap((volume, index) => {
    const here = at(child(path, 'volumes'), index);
    const claim = volume.ephemeral?.volumeClaimTemplate?.spec;
    return [
      ...DEAD_VOLUMES.filter(([name]) => volume[name] !== undefined).map(
        ([name, message]) => `${child(here, name === 'storageos' ? 'storageOS' : name)}: ${message}`,
      ),
      ...(claim ? claimSpecWarnings(child(here, 'ephemeral', 'volumeClaimTemplate', 'spec'), claim) : []),
    ];
  });
  return [...warnings, ...overlappingPathWarnings(volumes)];
}

function listWarnings(path: string, spec: PodSpec): string[] {
  const warnings: string[] = [];
  const repeated = (list: string, field: string, values: readonly string[]): void => {
    values.forEach((value, index) => {
      if (values.indexOf(value) === index) return;
      warnings.push(`${child(at(child(path, list), index), field)}: duplicate ${field} ${jsonQuote(value)}`);
    });
  };
  repeated(
    'hostAliases',
    'ip',
    (spec.hostAliases ?? []).map(({ ip }) => ip),
  );
  const secrets = (spec.imagePullSecrets ?? []).map(({ name = '' }) => name);
  repeated('imagePullSecrets', 'name', secrets);
  secrets.forEach((name, index) => {
    if (name !== '') return;
    warnings.push(`${child(at(child(path, 'imagePullSecrets'), index), 'name')}: invalid empty name ""`);
  });
  return warnings;
}

/** Bytes are whole. */
function amountWarnings(path: string, amounts: Record<string, string> | undefined): string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) => {
    const amount = amounts?.[name];
    if (amount === undefined || !isQuantity(amount) || isWholeQuantity(amount)) return [];
    const shown = jsonQuote(canonicalQuantity(amount));
    return [`${key(path, name)}: fractional byte value ${shown} is invalid, must be an integer`];
  });
}

function envWarnings(path: string, { env = [] }: Container): string[] {
  const seen = new Set<string>();
  return env.flatMap(({ name, value = '', valueFrom }, index) => {
    const known = seen.has(name);
    seen.add(name);
    const reference = `$(${name})`;
    // A later definition may build on the earlier one.
    if (!known || (!valueFrom && value !== reference && value.includes(reference))) return [];
    const where = at(child(path, 'env'), index);
    return [
      `${where}: hides previous definition of ${jsonQuote(name)}, which may be dropped when using apply`,
    ];
  });
}

function portWarnings(containers: readonly PlacedContainer[]): string[] {
  const ports = containers.flatMap(({ container, path }) =>
    (container.ports ?? []).map((port, index) => ({ port, path: at(child(path, 'ports'), index) })),
  );
  const warnings: string[] = [];
  ports.forEach(({ port, path }, index) => {
    if (port.hostIP && !port.hostPort) {
      warnings.push(`${path}: hostIP set without hostPort: ${goPort(port)}`);
    }
    for (const other of ports.slice(0, index)) {
      if (other.port.containerPort !== port.containerPort || other.port.protocol !== port.protocol) continue;
      const kind = clash(port, other.port);
      if (kind) warnings.push(`${path}: ${kind} port definition with ${other.path}`);
    }
  });
  ports.forEach(({ port, path }, index) => {
    const first = port.name ? ports.findIndex((other) => other.port.name === port.name) : index;
    if (first === index) return;
    const other = ports[first]?.path;
    const chosen = `services and probes that select ports by name will use ${other}`;
    warnings.push(`${path}: duplicate port name ${jsonQuote(port.name ?? '')} with ${other}, ${chosen}`);
  });
  return warnings;
}

function clash(a: ContainerPort, b: ContainerPort): string | undefined {
  const [ipA, ipB] = [a.hostIP ?? '', b.hostIP ?? ''];
  const [portA, portB] = [a.hostPort ?? 0, b.hostPort ?? 0];
  if (ipA === ipB && portA === portB) return 'duplicate';
  if (portA === 0 || portB === 0) return 'overlapping';
  return portA === portB && (ipA === '') !== (ipB === '') ? 'dangerously ambiguous' : undefined;
}

/** As Go prints the structure. */
function goPort({
  name = '',
  hostPort = 0,
  containerPort,
  protocol = '',
  hostIP = '',
}: ContainerPort): string {
  return `{Name:${name} HostPort:${hostPort} ContainerPort:${containerPort} Protocol:${protocol} HostIP:${hostIP}}`;
}

function affinityWarnings(path: string, spec: PodSpec): string[] {
  const warnings: string[] = [];
  const grace = spec.terminationGracePeriodSeconds;
  if (grace !== undefined && grace < 0) {
    const why = 'must be >= 0; negative values are invalid and will be treated as 1';
    warnings.push(`${child(path, 'terminationGracePeriodSeconds')}: ${why}`);
  }
  for (const kind of ['podAffinity', 'podAntiAffinity'] as const) {
    const here = child(path, 'affinity', kind);
    const affinity = spec.affinity?.[kind];
    (affinity?.requiredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      if (term.labelSelector) return;
      const field = at(child(here, 'requiredDuringSchedulingIgnoredDuringExecution'), index);
      warnings.push(`${child(field, 'labelSelector')}: ${NO_POD}`);
    });
    (affinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).forEach((term, index) => {
      if (term.podAffinityTerm?.labelSelector) return;
      const field = at(child(here, 'preferredDuringSchedulingIgnoredDuringExecution'), index);
      warnings.push(`${child(field, 'podAffinityTerm', 'labelSelector')}: ${NO_POD}`);
    });
  }
  return warnings;
}

function addressWarnings(path: string, spec: PodSpec): string[] {
  return [
    ...(spec.dnsConfig?.nameservers ?? []).flatMap((server, index) =>
      ipWarnings(at(child(path, 'dnsConfig', 'nameservers'), index), server),
    ),
    ...(spec.hostAliases ?? []).flatMap(({ ip }, index) =>
      ipWarnings(child(at(child(path, 'hostAliases'), index), 'ip'), ip),
    ),
  ];
}
