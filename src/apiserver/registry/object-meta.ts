import type { KubeObject, ObjectMetaLike } from '../../api/resource.ts';
import { forbidden, invalid, required, tooLong } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { jsonQuote } from '../json-quote.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { checkFormat, checkImmutable, checkLabels } from '../resources/validation/checks.ts';
import type { Errors } from '../resources/validation/checks.ts';
import { dnsLabel, dnsSubdomain, qualifiedName } from '../resources/validation/formats.ts';

const ANNOTATIONS_MAX_BYTES = 256 * 1024;
export const ORPHAN_FINALIZER = 'orphan';
export const FOREGROUND_FINALIZER = 'foregroundDeletion';

/** metadata of a new object, its name already generated. Mirrors apimachinery pkg/api/validation/objectmeta.go. */
export function validateMetaOnCreate(definition: ResourceDefinition, object: KubeObject): FieldError[] {
  const errors: Errors = [];
  const meta = object.metadata ?? {};
  const { strategy } = definition;
  const checkName = (name: string, prefix: boolean) =>
    strategy?.validateName ? strategy.validateName(name, prefix) : dnsSubdomainName(name, prefix);
  if (meta.generateName) {
    const problems = checkName(maskTrailingDash(meta.generateName), true);
    checkFormat(errors, 'metadata.generateName', meta.generateName, problems);
  }
  if (!meta.name) {
    errors.push(required('metadata.name', 'name or generateName is required'));
  } else {
    checkFormat(errors, 'metadata.name', meta.name, checkName(meta.name, false));
  }
  if (definition.info.namespaced) {
    if (!meta.namespace) errors.push(required('metadata.namespace'));
    else checkFormat(errors, 'metadata.namespace', meta.namespace, dnsLabel(meta.namespace));
  } else if (meta.namespace) {
    errors.push(forbidden('metadata.namespace', 'not allowed on this type'));
  }
  return [...errors, ...commonErrors(meta), ...finalizerErrors(definition, meta)];
}

/** What no kind's rules may let through; asked once they have nothing against the name. */
export function pathSegmentErrors({ metadata }: KubeObject): FieldError[] {
  const name = metadata?.name ?? '';
  const errors: Errors = [];
  checkFormat(errors, 'metadata.name', name, pathSegmentProblems(name));
  return errors;
}

/** metadata of an update; immutable parts that the client left out have been taken over before. */
export function validateMetaOnUpdate(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject,
  anyFinalizer = false,
): FieldError[] {
  const errors: Errors = [];
  const meta = object.metadata ?? {};
  const before = old.metadata ?? {};
  if (before.deletionTimestamp) {
    const extra = (meta.finalizers ?? []).filter((name) => !before.finalizers?.includes(name)).sort();
    if (extra.length > 0) {
      const list = `[]string{${extra.map(jsonQuote).join(', ')}}`;
      errors.push(
        forbidden(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers ${list}`,
        ),
      );
    }
  }
  if ((meta.generation ?? 0) < (before.generation ?? 0)) {
    errors.push(invalid('metadata.generation', meta.generation ?? 0, 'must not be decremented'));
  }
  checkImmutable(errors, 'metadata.name', meta.name, before.name);
  checkImmutable(errors, 'metadata.namespace', meta.namespace, before.namespace);
  checkImmutable(errors, 'metadata.uid', meta.uid, before.uid);
  checkImmutable(errors, 'metadata.creationTimestamp', meta.creationTimestamp, before.creationTimestamp);
  checkImmutable(errors, 'metadata.deletionTimestamp', meta.deletionTimestamp, before.deletionTimestamp);
  checkImmutable(
    errors,
    'metadata.deletionGracePeriodSeconds',
    meta.deletionGracePeriodSeconds,
    before.deletionGracePeriodSeconds,
  );
  return [...errors, ...commonErrors(meta), ...(anyFinalizer ? [] : finalizerErrors(definition, meta))];
}

const STANDARD_FINALIZERS: ReadonlySet<string> = new Set([
  'kubernetes',
  ORPHAN_FINALIZER,
  FOREGROUND_FINALIZER,
]);

/** A name without a domain in front must be one of upstream's own. Mirrors validateKubeFinalizerName of pkg/apis/core/validation/validation.go. */
export function checkFinalizerName(errors: FieldError[], path: string, name: string): void {
  if (name.includes('/') || STANDARD_FINALIZERS.has(name)) return;
  errors.push(invalid(path, name, 'name is neither a standard finalizer name nor is it fully qualified'));
}

function finalizerErrors({ custom, strategy }: ResourceDefinition, meta: ObjectMetaLike): FieldError[] {
  const errors: Errors = [];
  if (custom || strategy?.anyFinalizer) return errors;
  (meta.finalizers ?? []).forEach((name, index) =>
    checkFinalizerName(errors, `metadata.finalizers[${index}]`, name),
  );
  return errors;
}

function commonErrors(meta: ObjectMetaLike): FieldError[] {
  const errors: Errors = [];
  if ((meta.generation ?? 0) < 0) {
    errors.push(invalid('metadata.generation', meta.generation, 'must be greater than or equal to 0'));
  }
  checkLabels(errors, 'metadata.labels', meta.labels);
  checkAnnotations(errors, 'metadata.annotations', meta.annotations);
  checkOwners(errors, meta);
  for (const finalizer of meta.finalizers ?? []) {
    checkFormat(errors, 'metadata.finalizers', finalizer, qualifiedName(finalizer));
  }
  if (meta.finalizers?.includes(ORPHAN_FINALIZER) && meta.finalizers.includes(FOREGROUND_FINALIZER)) {
    const detail = `finalizer ${ORPHAN_FINALIZER} and ${FOREGROUND_FINALIZER} cannot be both set`;
    errors.push(invalid('metadata.finalizers', meta.finalizers, detail));
  }
  return errors;
}

export function checkAnnotations(
  errors: FieldError[],
  path: string,
  annotations: Record<string, string> | undefined,
): void {
  let size = 0;
  for (const [name, value] of Object.entries(annotations ?? {})) {
    checkFormat(errors, path, name, qualifiedName(name.toLowerCase()));
    size += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (size > ANNOTATIONS_MAX_BYTES) errors.push(tooLong(path, ANNOTATIONS_MAX_BYTES));
}

function checkOwners(errors: Errors, meta: ObjectMetaLike): void {
  const path = 'metadata.ownerReferences';
  let controller = '';
  for (const owner of meta.ownerReferences ?? []) {
    if (!owner.apiVersion) {
      errors.push(invalid(`${path}.apiVersion`, owner.apiVersion ?? '', 'version must not be empty'));
    }
    if (!owner.kind) errors.push(invalid(`${path}.kind`, owner.kind ?? '', 'must not be empty'));
    if (!owner.name) errors.push(invalid(`${path}.name`, owner.name ?? '', 'must not be empty'));
    if (!owner.uid) errors.push(invalid(`${path}.uid`, owner.uid ?? '', 'must not be empty'));
    if (owner.apiVersion === 'v1' && owner.kind === 'Event') {
      errors.push(invalid(path, owner, '/v1, Kind=Event is disallowed from being an owner'));
    }
    if (owner.controller !== true) continue;
    const here = `${owner.kind}/${owner.name}`;
    if (controller === '') controller = here;
    else {
      const detail = `Only one reference can have Controller set to true. Found "true" in references for ${controller} and ${here}`;
      errors.push(invalid(path, meta.ownerReferences, detail));
    }
  }
}

/** The rule for names of most kinds; a prefix may end with a dash, as something follows it. */
export function dnsSubdomainName(name: string, prefix: boolean): string[] {
  return dnsSubdomain(prefix ? maskTrailingDash(name) : name);
}

export function maskTrailingDash(name: string): string {
  return name.length > 1 && name.endsWith('-') ? `${name.slice(0, -2)}a` : name;
}

/** What no name may hold, whatever the kind allows: it is one segment of a path. */
export function pathSegmentProblems(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`];
  const problems: string[] = [];
  for (const part of ['/', '%']) if (name.includes(part)) problems.push(`may not contain '${part}'`);
  if (name.includes('\0') || !name.isWellFormed()) problems.push('must be valid UTF-8 without NUL');
  return problems;
}
