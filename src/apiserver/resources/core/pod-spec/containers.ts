import type { Container, EphemeralContainer, PodSpec, Volume } from '../../../../api/gen/types/core-v1.ts';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  tooMany,
  valueNotFound,
} from '../../../field-error.ts';
import { at, checkEnum, checkFormat, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsLabel, portName, portNumber } from '../../validation/formats.ts';
import { validateEnv } from './env.ts';
import { validateMounts } from './mounts.ts';
import { validateProbes } from './probes.ts';
import { validateResources } from './resource-requirements.ts';
import { validateContainerSecurity } from './security-context.ts';

type Volumes = ReadonlyMap<string, Volume>;

const MESSAGE_POLICIES = ['File', 'FallbackToLogsOnError'];
const PULL_POLICIES = ['Always', 'IfNotPresent', 'Never'];

/** Mirrors validateContainers of pkg/apis/core/validation/validation.go. */
export function validateContainers(errors: Errors, path: string, spec: PodSpec, volumes: Volumes): void {
  const containers = spec.containers ?? [];
  if (containers.length === 0) {
    errors.push(required(path));
    return;
  }
  const names = new Set<string>();
  containers.forEach((container, index) => {
    const here = at(path, index);
    validateCommon(errors, here, container, spec, volumes);
    if (names.has(container.name)) errors.push(duplicate(child(here, 'name'), container.name));
    names.add(container.name);
    validateProbes(errors, here, container, spec);
    validateRestartRules(errors, here, container);
  });
  checkHostPorts(errors, path, containers);
}

export function validateInitContainers(errors: Errors, path: string, spec: PodSpec, volumes: Volumes): void {
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  (spec.initContainers ?? []).forEach((container, index) => {
    const here = at(path, index);
    validateCommon(errors, here, container, spec, volumes);
    validateRestartRules(errors, here, container);
    if (names.has(container.name)) errors.push(duplicate(child(here, 'name'), container.name));
    else if (container.name) names.add(container.name);
    checkHostPorts(errors, path, [container]);
    if (container.restartPolicy === 'Always') {
      validateProbes(errors, here, container, spec);
      return;
    }
    for (const field of ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'] as const) {
      if (container[field] === undefined) continue;
      const why = 'may not be set for init containers without restartPolicy=Always';
      errors.push(forbidden(child(here, field), why));
    }
    (container.resizePolicy ?? []).forEach((policy, number) => {
      if (policy.restartPolicy !== 'RestartContainer') return;
      const why = "must not be set to 'RestartContainer' for non-sidecar initContainers";
      const field = child(at(child(here, 'resizePolicy'), number), 'restartPolicy');
      errors.push(invalid(field, policy.restartPolicy, why));
    });
  });
}

/** What a debugging container may not have: it has no resources, ports or life of its own. */
const NOT_EPHEMERAL = [
  'ports',
  'resources',
  'livenessProbe',
  'readinessProbe',
  'startupProbe',
  'lifecycle',
  'resizePolicy',
  'restartPolicy',
  'restartPolicyRules',
] as const;

export function validateEphemeralContainers(
  errors: Errors,
  path: string,
  spec: PodSpec,
  volumes: Volumes,
): void {
  const others = new Set(
    [...(spec.containers ?? []), ...(spec.initContainers ?? [])].map((container) => container.name),
  );
  const names = new Set(others);
  const why = 'cannot be set for an Ephemeral Container';
  (spec.ephemeralContainers ?? []).forEach((ephemeral: EphemeralContainer, index) => {
    const here = at(path, index);
    const container = ephemeral as EphemeralContainer & Container;
    validateCommon(errors, here, container, spec, volumes);
    checkImageSpace(errors, here, container);
    if (names.has(container.name)) errors.push(duplicate(child(here, 'name'), container.name));
    names.add(container.name);
    const target = ephemeral.targetContainerName;
    if (target && !others.has(target)) {
      errors.push(valueNotFound(child(here, 'targetContainerName'), target));
    }
    for (const field of NOT_EPHEMERAL) {
      const value: unknown = container[field];
      const empty = value === undefined || value === null || Object.keys(value).length === 0;
      if (!empty) errors.push(forbidden(child(here, field), why));
    }
    (container.volumeMounts ?? []).forEach((mount, number) => {
      const mountPath = at(child(here, 'volumeMounts'), number);
      if (mount.subPath) errors.push(forbidden(child(mountPath, 'subPath'), why));
      if (mount.subPathExpr) errors.push(forbidden(child(mountPath, 'subPathExpr'), why));
    });
  });
}

/** A pod's image names are exact; a template's may still be cut. */
export function checkImageSpace(errors: Errors, path: string, container: Container): void {
  const image = container.image ?? '';
  if (image !== image.trim()) {
    errors.push(invalid(child(path, 'image'), image, 'must not have leading or trailing whitespace'));
  }
}

function validateCommon(
  errors: Errors,
  path: string,
  container: Container,
  spec: PodSpec,
  volumes: Volumes,
): void {
  if (!container.name) errors.push(required(child(path, 'name')));
  else checkFormat(errors, child(path, 'name'), container.name, dnsLabel(container.name));
  if (!container.image) errors.push(required(child(path, 'image')));
  const messages = container.terminationMessagePolicy;
  checkEnum(errors, child(path, 'terminationMessagePolicy'), messages, MESSAGE_POLICIES);
  validatePorts(errors, child(path, 'ports'), container);
  validateEnv(errors, path, container);
  validateMounts(errors, path, container, volumes);
  checkEnum(errors, child(path, 'imagePullPolicy'), container.imagePullPolicy, PULL_POLICIES);
  validateResources(errors, child(path, 'resources'), container.resources, spec);
  validateResizePolicy(errors, child(path, 'resizePolicy'), container, spec);
  validateContainerSecurity(errors, child(path, 'securityContext'), container.securityContext, spec);
}

function validatePorts(errors: Errors, path: string, container: Container): void {
  const names = new Set<string>();
  (container.ports ?? []).forEach((port, index) => {
    const here = at(path, index);
    if (port.name) {
      const problems = portName(port.name);
      checkFormat(errors, child(here, 'name'), port.name, problems);
      if (problems.length === 0) {
        if (names.has(port.name)) errors.push(duplicate(child(here, 'name'), port.name));
        names.add(port.name);
      }
    }
    if (!port.containerPort) errors.push(required(child(here, 'containerPort')));
    else {
      checkFormat(errors, child(here, 'containerPort'), port.containerPort, portNumber(port.containerPort));
    }
    if (port.hostPort) {
      checkFormat(errors, child(here, 'hostPort'), port.hostPort, portNumber(port.hostPort));
    }
    checkEnum(errors, child(here, 'protocol'), port.protocol, ['SCTP', 'TCP', 'UDP']);
  });
}

function checkHostPorts(errors: Errors, path: string, containers: readonly Container[]): void {
  const seen = new Set<string>();
  containers.forEach((container, index) => {
    (container.ports ?? []).forEach((port, number) => {
      if (!port.hostPort) return;
      const id = `${port.protocol ?? 'TCP'}/${port.hostIP ?? ''}/${port.hostPort}`;
      const field = child(at(child(at(path, index), 'ports'), number), 'hostPort');
      if (seen.has(id)) errors.push(duplicate(field, id));
      seen.add(id);
    });
  });
}

function validateResizePolicy(errors: Errors, path: string, container: Container, spec: PodSpec): void {
  const seen = new Set<string>();
  (container.resizePolicy ?? []).forEach((policy, index) => {
    const { resourceName, restartPolicy } = policy;
    if (seen.has(resourceName)) errors.push(duplicate(at(path, index), resourceName));
    seen.add(resourceName);
    checkEnum(errors, path, resourceName, ['cpu', 'memory']);
    checkEnum(errors, path, restartPolicy, ['NotRequired', 'RestartContainer']);
    if (spec.restartPolicy === 'Never' && restartPolicy !== 'NotRequired') {
      const why = "must be 'NotRequired' when pod `restartPolicy` is 'Never'";
      errors.push(invalid(path, restartPolicy, why));
    }
  });
}

function validateRestartRules(errors: Errors, path: string, container: Container): void {
  const rules = container.restartPolicyRules ?? [];
  const field = child(path, 'restartPolicy');
  const policy = container.restartPolicy;
  if (policy === undefined) {
    if (rules.length > 0) {
      errors.push(required(field, 'must specify restartPolicy when restart rules are used'));
    }
  } else if (!['Always', 'Never', 'OnFailure'].includes(policy)) {
    errors.push(notSupported(field, policy, ['Always', 'Never', 'OnFailure']));
  }
  const rulesPath = child(path, 'restartPolicyRules');
  if (rules.length > 20) errors.push(tooMany(rulesPath, rules.length, 20));
  rules.forEach((rule, index) => {
    const here = at(rulesPath, index);
    if (rule.action !== 'Restart' && rule.action !== 'RestartAllContainers') {
      errors.push(notSupported(child(here, 'action'), rule.action, ['Restart', 'RestartAllContainers']));
    }
    const codes = child(here, 'exitCodes');
    if (!rule.exitCodes) {
      errors.push(required(codes, 'must be specified'));
      return;
    }
    if (!['In', 'NotIn'].includes(rule.exitCodes.operator ?? '')) {
      errors.push(notSupported(child(codes, 'operator'), rule.exitCodes.operator, ['In', 'NotIn']));
    }
    const count = rule.exitCodes.values?.length ?? 0;
    if (count > 255) errors.push(tooMany(child(codes, 'values'), count, 255));
  });
}
