import type { PodSpec, PodTemplateSpec } from '../../../../api/gen/types/core-v1.ts';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
  valueNotFound,
} from '../../../field-error.ts';
import {
  at,
  checkEnum,
  checkFormat,
  checkLabelName,
  checkLabels,
  checkOptionalEnum,
  child,
  key,
} from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import {
  dnsLabel,
  dnsSubdomain,
  inRangeMessage,
  qualifiedName,
  underscoreSubdomain,
} from '../../validation/formats.ts';
import { ipProblems } from '../../validation/ip.ts';
import { validateContainers, validateEphemeralContainers, validateInitContainers } from './containers.ts';
import { checkResourceName, checkResourceQuantity } from './resource-requirements.ts';
import { validateAffinity, validateSpread, validateTolerations } from './scheduling.ts';
import { validatePodSecurity } from './security-context.ts';
import { validatePodResources } from './pod-resources.ts';
import { validateHostProcess, validateSystem } from './windows.ts';
import { validateVolumes } from './volumes.ts';
import { checkAnnotationsMatchFields, checkPodAnnotations } from './annotations.ts';

const MAX_SECONDS = 2147483647;

export interface PodSpecContext {
  /** The pod's name, which its ephemeral volumes' claims are named after. Absent for templates. */
  podName?: string;
  /** A pod, and not a template: host ports must have been filled in. */
  isPod: boolean;
}

/** Mirrors ValidatePodSpec of pkg/apis/core/validation/validation.go. */
export function validatePodSpec(errors: Errors, path: string, spec: PodSpec, context: PodSpecContext): void {
  const volumes = validateVolumes(errors, child(path, 'volumes'), spec, context.podName);
  validateResourceClaims(errors, child(path, 'resourceClaims'), spec);
  validateContainers(errors, child(path, 'containers'), spec, volumes);
  validateInitContainers(errors, child(path, 'initContainers'), spec, volumes);
  validateEphemeralContainers(errors, child(path, 'ephemeralContainers'), spec, volumes);
  validateHostNetwork(errors, path, spec, context);
  checkEnum(errors, child(path, 'restartPolicy'), spec.restartPolicy, ['Always', 'OnFailure', 'Never']);
  checkEnum(errors, child(path, 'dnsPolicy'), spec.dnsPolicy, [
    'ClusterFirstWithHostNet',
    'ClusterFirst',
    'Default',
    'None',
  ]);
  checkLabels(errors, child(path, 'nodeSelector'), spec.nodeSelector);
  validatePodSecurity(errors, child(path, 'securityContext'), spec.securityContext, spec);
  validateAffinity(errors, child(path, 'affinity'), spec.affinity);
  validateDnsConfig(errors, child(path, 'dnsConfig'), spec);
  validateGates(errors, path, spec);
  validateSpread(errors, child(path, 'topologySpreadConstraints'), spec.topologySpreadConstraints);
  validateHostUsers(errors, path, spec);
  validateNames(errors, path, spec);
  validateTolerations(errors, child(path, 'tolerations'), spec.tolerations);
  validateHostAliases(errors, child(path, 'hostAliases'), spec);
  validateRest(errors, path, spec);
}

function validateResourceClaims(errors: Errors, path: string, spec: PodSpec): void {
  const names = new Set<string>();
  (spec.resourceClaims ?? []).forEach((claim, index) => {
    const here = at(path, index);
    if (!claim.name) errors.push(required(child(here, 'name')));
    else if (names.has(claim.name)) errors.push(duplicate(child(here, 'name'), claim.name));
    else checkFormat(errors, child(here, 'name'), claim.name, dnsLabel(claim.name));
    names.add(claim.name);
    const { resourceClaimName, resourceClaimTemplateName } = claim;
    if (resourceClaimName !== undefined && resourceClaimTemplateName !== undefined) {
      const why = 'at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified';
      errors.push(invalid(here, claim, why));
    } else if (resourceClaimName === undefined && resourceClaimTemplateName === undefined) {
      const why = 'must specify one of: `resourceClaimName`, `resourceClaimTemplateName`';
      errors.push(invalid(here, claim, why));
    }
    for (const field of ['resourceClaimName', 'resourceClaimTemplateName'] as const) {
      const name = claim[field];
      if (name !== undefined) checkFormat(errors, child(here, field), name, dnsSubdomain(name));
    }
  });
}

function validateHostNetwork(errors: Errors, path: string, spec: PodSpec, context: PodSpecContext): void {
  if (!spec.hostNetwork) return;
  (spec.containers ?? []).forEach((container, index) => {
    (container.ports ?? []).forEach((port, number) => {
      const hostPort = port.hostPort ?? 0;
      if ((!context.isPod && hostPort === 0) || hostPort === port.containerPort) return;
      const field = child(at(child(at(child(path, 'containers'), index), 'ports'), number), 'hostPort');
      errors.push(invalid(field, hostPort, 'must match `containerPort` when `hostNetwork` is true'));
    });
  });
}

function validateDnsConfig(errors: Errors, path: string, spec: PodSpec): void {
  const config = spec.dnsConfig;
  const nameservers = child(path, 'nameservers');
  if (spec.dnsPolicy === 'None') {
    if (!config) {
      errors.push(required(path, 'must provide `dnsConfig` when `dnsPolicy` is None'));
      return;
    }
    if (!config.nameservers?.length) {
      const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
      errors.push(required(nameservers, why));
      return;
    }
  }
  if (!config) return;
  if ((config.nameservers?.length ?? 0) > 3) {
    errors.push(invalid(nameservers, config.nameservers, 'must not have more than 3 nameservers'));
  }
  (config.nameservers ?? []).forEach((address, index) => {
    checkFormat(errors, at(nameservers, index), address, ipProblems(address));
  });
  const searches = config.searches ?? [];
  const field = child(path, 'searches');
  if (searches.length > 32) {
    errors.push(invalid(field, searches, 'must not have more than 32 search paths'));
  }
  if (searches.join(' ').length > 2048) {
    const why = 'must not have more than 2048 characters (including spaces) in the search list';
    errors.push(invalid(field, searches, why));
  }
  searches.forEach((search, index) => {
    if (search === '.') return;
    const domain = search.replace(/\.$/, '');
    // Underscores are allowed here: service records are looked up under such names.
    const problems = underscoreSubdomain(domain);
    checkFormat(errors, at(field, index), domain, problems);
  });
  (config.options ?? []).forEach((option, index) => {
    if (!option.name) errors.push(required(at(child(path, 'options'), index), 'must not be empty'));
  });
}

function validateGates(errors: Errors, path: string, spec: PodSpec): void {
  (spec.readinessGates ?? []).forEach((gate, index) => {
    const field = child(at(child(path, 'readinessGates'), index), 'conditionType');
    checkFormat(errors, field, gate.conditionType, qualifiedName(gate.conditionType));
  });
  const seen = new Set<string>();
  (spec.schedulingGates ?? []).forEach((gate, index) => {
    const here = at(child(path, 'schedulingGates'), index);
    checkLabelName(errors, here, gate.name);
    if (seen.has(gate.name)) errors.push(duplicate(here, gate.name));
    seen.add(gate.name);
  });
}

function validateHostUsers(errors: Errors, path: string, spec: PodSpec): void {
  if (spec.hostUsers !== false) return;
  const why = 'when `hostUsers` is false';
  if (spec.hostNetwork) errors.push(forbidden(child(path, 'hostNetwork'), why));
  if (spec.hostPID) errors.push(forbidden(child(path, 'HostPID'), why));
  if (spec.hostIPC) errors.push(forbidden(child(path, 'HostIPC'), why));
}

function validateNames(errors: Errors, path: string, spec: PodSpec): void {
  const name = (field: 'serviceAccountName' | 'nodeName', problems: (value: string) => string[]) => {
    const value = spec[field];
    if (value) checkFormat(errors, child(path, field), value, problems(value));
  };
  if (spec.hostnameOverride !== undefined) {
    const field = child(path, 'hostnameOverride');
    if (spec.setHostnameAsFQDN) {
      errors.push(forbidden(field, 'may not be specified when setHostnameAsFQDN is true'));
    }
    if (spec.hostNetwork) errors.push(forbidden(field, 'may not be specified when hostNetwork is true'));
    if (spec.hostnameOverride.length > 64) errors.push(tooLong(field, 64));
    checkFormat(errors, field, spec.hostnameOverride, dnsSubdomain(spec.hostnameOverride));
  }
  name('serviceAccountName', dnsSubdomain);
  name('nodeName', dnsSubdomain);
  const deadline = spec.activeDeadlineSeconds;
  if (deadline !== undefined && (deadline < 1 || deadline > MAX_SECONDS)) {
    errors.push(invalid(child(path, 'activeDeadlineSeconds'), deadline, inRangeMessage(1, MAX_SECONDS)));
  }
  for (const field of ['hostname', 'subdomain'] as const) {
    const value = spec[field];
    if (value) checkFormat(errors, child(path, field), value, dnsLabel(value));
  }
}

function validateHostAliases(errors: Errors, path: string, spec: PodSpec): void {
  (spec.hostAliases ?? []).forEach((alias, index) => {
    const here = at(path, index);
    checkFormat(errors, child(here, 'ip'), alias.ip, ipProblems(alias.ip));
    (alias.hostnames ?? []).forEach((hostname, number) => {
      checkFormat(errors, at(child(here, 'hostnames'), number), hostname, dnsSubdomain(hostname));
    });
  });
}

function validateRest(errors: Errors, path: string, spec: PodSpec): void {
  for (const field of ['priorityClassName', 'runtimeClassName'] as const) {
    const value = spec[field];
    if (value) checkFormat(errors, child(path, field), value, dnsSubdomain(value));
  }
  checkOptionalEnum(errors, child(path, 'preemptionPolicy'), spec.preemptionPolicy, [
    'PreemptLowerPriority',
    'Never',
  ]);
  for (const [name, quantity] of Object.entries(spec.overhead ?? {})) {
    checkResourceName(errors, key(child(path, 'overhead'), name), name);
    checkResourceQuantity(errors, key(child(path, 'overhead'), name), name, quantity);
  }
  if (spec.os) {
    if (!spec.os.name) errors.push(required(child(path, 'os', 'name')));
    else if (!['linux', 'windows'].includes(spec.os.name)) {
      errors.push(notSupported(child(path, 'os'), spec.os.name, ['linux', 'windows']));
    }
  }
  validateSystem(errors, path, spec);
  validateHostProcess(errors, path, spec);
  validatePodResources(errors, path, spec);
  validateFileVolumes(errors, path, spec);
}

/** Variables from files come out of volumes that are the pod's alone. Mirrors validateFileKeyRefVolumes. */
function validateFileVolumes(errors: Errors, path: string, spec: PodSpec): void {
  for (const list of ['initContainers', 'containers'] as const) {
    (spec[list] ?? []).forEach(({ env = [] }, index) => {
      env.forEach(({ valueFrom }, place) => {
        if (!valueFrom?.fileKeyRef) return;
        const { volumeName } = valueFrom.fileKeyRef;
        const variable = at(child(at(child(path, list), index), 'env'), place);
        const field = child(variable, 'valueFrom', 'fileKeyRef', 'volumeName');
        const volume = spec.volumes?.find(({ name }) => name === volumeName);
        if (!volume) errors.push(valueNotFound(field, volumeName));
        else if (!volume.emptyDir) {
          errors.push(invalid(field, volumeName, 'referenced volume must be of type emptyDir'));
        }
      });
    });
  }
}

/** The template of a workload. `spec.ephemeralContainers` belongs to pods alone. */
export function validatePodTemplate(errors: Errors, path: string, template: PodTemplateSpec): void {
  checkLabels(errors, child(path, 'labels'), template.metadata?.labels);
  for (const name of Object.keys(template.metadata?.annotations ?? {})) {
    checkFormat(errors, child(path, 'annotations'), name, qualifiedName(name.toLowerCase()));
  }
  const spec = template.spec ?? { containers: [] };
  checkPodAnnotations(errors, child(path, 'annotations'), template);
  validatePodSpec(errors, child(path, 'spec'), spec, { isPod: false });
  checkAnnotationsMatchFields(errors, child(path, 'spec'), template);
  if (spec.ephemeralContainers?.length) {
    const why = 'ephemeral containers not allowed in pod template';
    errors.push(forbidden(child(path, 'spec', 'ephemeralContainers'), why));
  }
}
