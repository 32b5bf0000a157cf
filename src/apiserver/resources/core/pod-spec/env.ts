import type {
  Container,
  EnvFromSource,
  EnvVar,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../../../../api/gen/types/core-v1.ts';
import { invalid, notSupported, required } from '../../../field-error.ts';
import { at, checkFormat, checkNoBacksteps, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { configMapKey, dnsLabel, dnsSubdomain, envVarName, qualifiedName } from '../../validation/formats.ts';
import { compareQuantities, isQuantity } from '../../validation/quantities.ts';

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
export const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
/** Every field that the downward API knows; which of them may be used depends on the place. */
const DOWNWARD_FIELDS = new Set([...ENV_FIELDS, ...VOLUME_FIELDS, 'spec.restartPolicy', 'status.phase']);
const BYTE_DIVISORS = '1, 1k, 1M, 1G, 1T, 1P, 1E, 1Ki, 1Mi, 1Gi, 1Ti, 1Pi, 1Ei';

/** Mirrors ValidateEnv and ValidateEnvFrom of pkg/apis/core/validation/validation.go. */
export function validateEnv(errors: Errors, path: string, container: Container): void {
  (container.env ?? []).forEach((variable, index) => {
    const here = at(child(path, 'env'), index);
    if (!variable.name) errors.push(required(child(here, 'name')));
    else checkFormat(errors, child(here, 'name'), variable.name, envVarName(variable.name));
    validateValueFrom(errors, child(here, 'valueFrom'), variable);
  });
  const fromPath = child(path, 'envFrom');
  (container.envFrom ?? []).forEach((source, index) => {
    validateEnvFrom(errors, fromPath, at(fromPath, index), source);
  });
}

function validateEnvFrom(errors: Errors, all: string, here: string, source: EnvFromSource): void {
  if (source.prefix) checkFormat(errors, child(here, 'prefix'), source.prefix, envVarName(source.prefix));
  let count = 0;
  for (const kind of ['configMapRef', 'secretRef'] as const) {
    const reference = source[kind];
    if (!reference) continue;
    count += 1;
    const name = child(here, kind, 'name');
    if (!reference.name) errors.push(required(name));
    else checkFormat(errors, name, reference.name, dnsSubdomain(reference.name));
  }
  if (count === 0) errors.push(invalid(all, '', 'must specify one of: `configMapRef` or `secretRef`'));
  else if (count > 1) errors.push(invalid(all, '', 'may not have more than one field specified at a time'));
}

function validateValueFrom(errors: Errors, path: string, variable: EnvVar): void {
  const from = variable.valueFrom;
  if (!from) return;
  let count = 0;
  if (from.fieldRef) {
    count += 1;
    validateFieldSelector(errors, child(path, 'fieldRef'), from.fieldRef, ENV_FIELDS);
  }
  if (from.resourceFieldRef) {
    count += 1;
    validateResourceSelector(errors, child(path, 'resourceFieldRef'), from.resourceFieldRef, false);
  }
  for (const kind of ['configMapKeyRef', 'secretKeyRef'] as const) {
    const selector = from[kind];
    if (!selector) continue;
    count += 1;
    const here = child(path, kind);
    checkFormat(errors, child(here, 'name'), selector.name ?? '', dnsSubdomain(selector.name ?? ''));
    if (!selector.key) errors.push(required(child(here, 'key')));
    else checkFormat(errors, child(here, 'key'), selector.key, configMapKey(selector.key));
  }
  if (from.fileKeyRef) {
    count += 1;
    validateFileKey(errors, child(path, 'fileKeyRef'), from.fileKeyRef);
  }
  if (count === 0) {
    const one =
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    errors.push(invalid(path, '', one));
  } else if (variable.value) {
    errors.push(invalid(path, '', 'may not be specified when `value` is not empty'));
  } else if (count > 1) {
    errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
  }
}

function validateFileKey(
  errors: Errors,
  path: string,
  ref: { key?: string; volumeName?: string; path?: string },
): void {
  if (!ref.key) errors.push(required(child(path, 'key')));
  else checkFormat(errors, child(path, 'key'), ref.key, envVarName(ref.key));
  if (!ref.volumeName) errors.push(required(child(path, 'volumeName')));
  else checkFormat(errors, child(path, 'volumeName'), ref.volumeName, dnsLabel(ref.volumeName));
  if (!ref.path) errors.push(required(child(path, 'path')));
  else checkNoBacksteps(errors, child(path, 'path'), ref.path);
}

/** A field of the pod: `metadata.labels['app']` and the like. */
export function validateFieldSelector(
  errors: Errors,
  path: string,
  selector: ObjectFieldSelector,
  allowed: readonly string[],
): void {
  if (!selector.apiVersion) {
    errors.push(required(child(path, 'apiVersion')));
    return;
  }
  if (!selector.fieldPath) {
    errors.push(required(child(path, 'fieldPath')));
    return;
  }
  const [, field = selector.fieldPath, subscript] =
    /^([a-z]+\.[a-zA-Z]+)\['(.*)'\]$/s.exec(selector.fieldPath) ?? [];
  const known =
    subscript === undefined
      ? DOWNWARD_FIELDS.has(field)
      : field === 'metadata.annotations' || field === 'metadata.labels';
  if (selector.apiVersion !== 'v1' || !known) {
    const why =
      selector.apiVersion === 'v1'
        ? `field label not supported: ${selector.fieldPath}`
        : `unsupported pod version: ${selector.apiVersion}`;
    errors.push(invalid(child(path, 'fieldPath'), selector.fieldPath, `error converting fieldPath: ${why}`));
    return;
  }
  if (subscript !== undefined) {
    const name = field === 'metadata.annotations' ? subscript.toLowerCase() : subscript;
    checkFormat(errors, path, name, qualifiedName(name));
  } else if (!allowed.includes(field)) {
    errors.push(notSupported(child(path, 'fieldPath'), field, allowed));
  }
}

/** A container's limit or request. A volume must name the container. */
export function validateResourceSelector(
  errors: Errors,
  path: string,
  selector: ResourceFieldSelector,
  volume: boolean,
): void {
  const { resource } = selector;
  if (volume && !selector.containerName) {
    errors.push(required(child(path, 'containerName')));
  } else if (!resource) {
    errors.push(required(child(path, 'resource')));
  } else if (!RESOURCES.includes(resource) && !/^(limits|requests)\.hugepages-/.test(resource)) {
    errors.push(notSupported(child(path, 'resource'), resource, RESOURCES));
  }
  const divisor = selector.divisor ?? '0';
  if (!isQuantity(divisor) || compareQuantities(divisor, '0') === 0) return;
  const bad = (divisors: string, what: string) => {
    const why = `only divisor's values ${divisors} are supported with the ${what} resource`;
    errors.push(invalid(child(path, 'divisor'), resource, why));
  };
  const bytes = BYTE_DIVISORS.split(', ').includes(divisor);
  if (resource.endsWith('.cpu') && divisor !== '1' && divisor !== '1m') bad('1m and 1', 'cpu');
  if (resource.endsWith('.memory') && !bytes) bad(BYTE_DIVISORS, 'memory');
  if (resource.endsWith('.ephemeral-storage') && !bytes) bad(BYTE_DIVISORS, 'local ephemeral storage');
  if (/\.hugepages-/.test(resource) && !bytes) bad(BYTE_DIVISORS, 'hugepages');
}
