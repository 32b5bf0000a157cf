import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
  CustomResourceDefinitionSpec,
  CustomResourceDefinitionVersion,
} from '../../api/gen/types/apiextensions-v1.ts';
import { at, child, invalid, notSupported, required } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { sameValue } from '../../api/apply/typed-value.ts';
import { checkImmutable } from '../resources/validation/checks.ts';
import { dns1035Label, dnsSubdomain } from '../resources/validation/formats.ts';
import { validateConversion } from './conversion/conversion-validation.ts';
import { validateSchema } from './schema-validation.ts';
import { validateColumn, validateScale, validateSelectable } from './crd-path-validation.ts';

const APPROVED = 'api-approved.kubernetes.io';

/** With what Go's structs always have: a decoder sees to it, but rules must not rely on one. */
function whole(crd: CustomResourceDefinition): CustomResourceDefinition {
  const { spec } = crd as Partial<CustomResourceDefinition>;
  const names = {
    plural: '',
    kind: '',
    ...(spec as Partial<CustomResourceDefinitionSpec> | undefined)?.names,
  };
  return { ...crd, spec: { group: '', scope: '', versions: [], ...spec, names } };
}

/** Mirrors apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go. */
export function validateCrd(given: CustomResourceDefinition): FieldError[] {
  const crd = whole(given);
  return [
    ...validateSpec(crd.spec),
    ...validateNames(crd.status?.acceptedNames, 'status.acceptedNames'),
    ...validateStoredVersions(crd),
    ...validateApproval(crd),
    ...validatePreserve(crd),
  ];
}

export function validateCrdUpdate(
  given: CustomResourceDefinition,
  before: CustomResourceDefinition,
): FieldError[] {
  const crd = whole(given);
  const old = whole(before);
  const errors = validateSpec(crd.spec, old.spec);
  if (isConditionTrue(old, 'Established')) {
    checkImmutable(errors, 'spec.scope', crd.spec.scope, old.spec.scope);
    checkImmutable(errors, 'spec.names.kind', crd.spec.names.kind, old.spec.names.kind);
  }
  checkImmutable(errors, 'spec.group', crd.spec.group, old.spec.group);
  checkImmutable(errors, 'spec.names.plural', crd.spec.names.plural, old.spec.names.plural);
  errors.push(...validateNames(crd.status?.acceptedNames, 'status.acceptedNames'));
  errors.push(...validateStoredVersions(crd), ...validateApproval(crd, old));
  if (!old.spec.preserveUnknownFields) errors.push(...validatePreserve(crd));
  return errors;
}

export function validateCrdStatus(crd: CustomResourceDefinition): FieldError[] {
  return validateNames(crd.status?.acceptedNames, 'status.acceptedNames');
}

export function isConditionTrue(crd: CustomResourceDefinition, type: string): boolean {
  return crd.status?.conditions?.some((each) => each.type === type && each.status === 'True') ?? false;
}

/** The name of a definition is its plural and group. */
export function crdNameProblems(name: string, crd: CustomResourceDefinition): string[] {
  const { spec } = whole(crd);
  const wanted = `${spec.names.plural}.${spec.group}`;
  return [...dnsSubdomain(name), ...(name === wanted ? [] : ['must be spec.names.plural+"."+spec.group'])];
}

/** Versions whose schema is as before: what was accepted of it stays so. */
function unchangedSchemas(
  { versions }: CustomResourceDefinitionSpec,
  old: CustomResourceDefinitionSpec | undefined,
): ReadonlySet<string> {
  const same = (versions ?? []).filter(({ name, schema }) => {
    const before = old?.versions.find((other) => other.name === name);
    return before !== undefined && sameValue(before.schema, schema);
  });
  return new Set(same.map(({ name }) => name));
}

function validateSpec(spec: CustomResourceDefinitionSpec, old?: CustomResourceDefinitionSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (!spec.group) errors.push(required('spec.group'));
  else if (dnsSubdomain(spec.group).length > 0) {
    errors.push(invalid('spec.group', spec.group, dnsSubdomain(spec.group).join(',')));
  } else if (!spec.group.includes('.')) {
    errors.push(invalid('spec.group', spec.group, 'should be a domain with at least one dot'));
  }
  if (!spec.scope) errors.push(required('spec.scope'));
  else if (spec.scope !== 'Cluster' && spec.scope !== 'Namespaced') {
    errors.push(notSupported('spec.scope', spec.scope, ['Cluster', 'Namespaced']));
  }
  const shared = sharedParts(spec.versions ?? []);
  const unchanged = unchangedSchemas(spec, old);
  errors.push(...validateVersions(spec.versions ?? [], shared, unchanged));
  for (const name of ['plural', 'singular', 'kind', 'listKind'] as const) {
    if (!spec.names[name]) errors.push(required(`spec.names.${name}`));
  }
  errors.push(...validateNames(spec.names, 'spec.names'));
  const [first] = spec.versions ?? [];
  if (first) errors.push(...validateParts(first, 'spec', shared, unchanged));
  return [...errors, ...validateConversion(spec.conversion, old?.conversion)];
}

function validateVersions(
  versions: readonly CustomResourceDefinitionVersion[],
  shared: ReadonlySet<Part>,
  unchanged: ReadonlySet<string>,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, version] of versions.entries()) {
    if (version.schema?.openAPIV3Schema === undefined) {
      errors.push(required(`spec.versions[${index}].schema.openAPIV3Schema`));
    }
  }
  for (const [index, version] of versions.entries()) {
    const path = `spec.versions[${index}]`;
    const problems = dns1035Label(version.name);
    if (problems.length > 0) errors.push(invalid(child(path, 'name'), version.name, problems.join(',')));
    errors.push(...validateDeprecation(version, path));
    errors.push(...validateParts(version, path, shared, unchanged));
  }
  const shown = shownVersions(versions, shared);
  const [head] = versions;
  const headProblems = head ? dns1035Label(head.name) : [];
  if (head && headProblems.length > 0)
    errors.push(invalid('spec.version', head.name, headProblems.join(',')));
  if (new Set(versions.map(({ name }) => name)).size !== versions.length) {
    errors.push(invalid('spec.versions', shown, 'must contain unique version names'));
  }
  if (versions.filter(({ storage }) => storage).length !== 1) {
    errors.push(invalid('spec.versions', shown, 'must have exactly one version marked as storage version'));
  }
  return errors;
}

/** The parts of a version that upstream moves to the top of the spec where all versions have the same. */
const PARTS = ['schema', 'subresources', 'additionalPrinterColumns', 'selectableFields'] as const;
type Part = (typeof PARTS)[number];

function sharedParts(versions: readonly CustomResourceDefinitionVersion[]): ReadonlySet<Part> {
  const [first, ...others] = versions;
  return new Set(
    PARTS.filter((part) => {
      const value = first?.[part];
      return value !== undefined && others.every((other) => sameValue(other[part], value));
    }),
  );
}

/** As upstream's internal type prints: without what is shared. */
function shownVersions(
  versions: readonly CustomResourceDefinitionVersion[],
  shared: ReadonlySet<Part>,
): object[] {
  const part = (version: CustomResourceDefinitionVersion, name: Part) =>
    shared.has(name) ? null : (version[name] ?? null);
  return versions.map((version) => ({
    Name: version.name,
    Served: version.served,
    Storage: version.storage,
    Deprecated: version.deprecated ?? false,
    DeprecationWarning: version.deprecationWarning ?? null,
    Schema: part(version, 'schema'),
    Subresources: part(version, 'subresources'),
    AdditionalPrinterColumns: part(version, 'additionalPrinterColumns'),
    SelectableFields: part(version, 'selectableFields'),
  }));
}

/** The parts of a version that it does not share, or, at the top of the spec, those that all share. */
function validateParts(
  version: CustomResourceDefinitionVersion,
  path: string,
  shared: ReadonlySet<Part>,
  unchanged: ReadonlySet<string>,
): FieldError[] {
  const errors: FieldError[] = [];
  const isTop = path === 'spec';
  const here = (part: Part) => shared.has(part) === isTop;
  const schema = version.schema?.openAPIV3Schema;
  if (schema && here('schema')) {
    const where = child(path, isTop ? 'validation' : 'schema', 'openAPIV3Schema');
    errors.push(
      ...validateSchema(
        schema,
        version.subresources?.status !== undefined,
        where,
        unchanged.has(version.name),
      ),
    );
  }
  if (here('subresources')) errors.push(...validateScale(version.subresources, child(path, 'subresources')));
  if (here('additionalPrinterColumns')) {
    for (const [index, column] of (version.additionalPrinterColumns ?? []).entries()) {
      errors.push(...validateColumn(column, at(child(path, 'additionalPrinterColumns'), index)));
    }
  }
  if (here('selectableFields')) {
    const where = child(path, 'selectableFields');
    errors.push(...validateSelectable(version.selectableFields ?? [], schema, where));
  }
  return errors;
}

function validateDeprecation(version: CustomResourceDefinitionVersion, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { deprecated, deprecationWarning } = version;
  if (deprecationWarning !== undefined) {
    const where = child(path, 'deprecationWarning');
    if (!deprecated)
      errors.push(invalid(where, deprecationWarning, 'can only be set for deprecated versions'));
    else if (deprecationWarning === '') errors.push(invalid(where, '', 'must not be an empty string'));
    else if (Buffer.byteLength(deprecationWarning) > 256) {
      errors.push(invalid(where, deprecationWarning, 'must be <= 256 characters long'));
    }
  }
  return errors;
}

function validateNames(names: CustomResourceDefinitionNames | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!names) return errors;
  const label = (where: string, value: string | undefined) => {
    const problems = value ? dns1035Label(value) : [];
    if (problems.length > 0) errors.push(invalid(where, value, problems.join(',')));
  };
  label(child(path, 'plural'), names.plural);
  label(child(path, 'singular'), names.singular);
  for (const name of ['kind', 'listKind'] as const) {
    const value = names[name];
    const problems = value ? dns1035Label(value.toLowerCase()) : [];
    if (problems.length === 0) continue;
    const why = `may have mixed case, but should otherwise match: ${problems.join(',')}`;
    errors.push(invalid(child(path, name), value, why));
  }
  for (const [index, name] of (names.shortNames ?? []).entries())
    label(at(child(path, 'shortNames'), index), name);
  if (names.kind && names.kind === names.listKind) {
    errors.push(invalid(child(path, 'listKind'), names.listKind, 'kind and listKind may not be the same'));
  }
  for (const [index, name] of (names.categories ?? []).entries())
    label(at(child(path, 'categories'), index), name);
  return errors;
}

function validateStoredVersions(crd: CustomResourceDefinition): FieldError[] {
  const path = 'status.storedVersions';
  const stored = crd.status?.storedVersions ?? [];
  if (stored.length === 0) return [invalid(path, null, 'must have at least one stored version')];
  const errors: FieldError[] = [];
  const names = new Set(crd.spec.versions.map(({ name }) => name));
  for (const { name, storage } of crd.spec.versions) {
    if (storage && !stored.includes(name)) {
      errors.push(invalid(path, stored, `must have the storage version ${name}`));
    }
  }
  for (const [index, name] of stored.entries()) {
    if (names.has(name)) continue;
    const why =
      `missing from spec.versions; ${name} was previously a storage version, and must remain in spec.versions ` +
      `until a storage migration ensures no data remains persisted in ${name} and removes ${name} from status.storedVersions`;
    errors.push(invalid(at(path, index), name, why));
  }
  return errors;
}

/** Groups of the project itself want to be told that its reviewers know of the kind. */
function validateApproval(crd: CustomResourceDefinition, old?: CustomResourceDefinition): FieldError[] {
  const problem = approvalProblem(crd);
  if (problem === undefined || (old && approvalProblem(old) !== undefined)) return [];
  const path = `metadata.annotations[${APPROVED}]`;
  const value = crd.metadata?.annotations?.[APPROVED];
  return [value === undefined ? required(path, problem) : invalid(path, value, problem)];
}

/** Whether the group is protected: 'k8s.io' and 'kubernetes.io' and what is below them. */
export function isProtectedGroup(group: string): boolean {
  return /(?:^|\.)(?:k8s|kubernetes)\.io$/.test(group);
}

export function approvalProblem(crd: CustomResourceDefinition): string | undefined {
  if (!isProtectedGroup(crd.spec.group)) return undefined;
  const value = crd.metadata?.annotations?.[APPROVED];
  if (value?.startsWith('unapproved')) return undefined;
  if (value === undefined) {
    return `protected groups must have approval annotation "${APPROVED}", see https://github.com/kubernetes/enhancements/pull/1111`;
  }
  if (URL.canParse(value)) return undefined;
  return `protected groups must have approval annotation "${APPROVED}" with either a URL or a reason starting with "unapproved", see https://github.com/kubernetes/enhancements/pull/1111`;
}

function validatePreserve(crd: CustomResourceDefinition): FieldError[] {
  if (!crd.spec.preserveUnknownFields) return [];
  return [
    invalid(
      'spec.preserveUnknownFields',
      true,
      'cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead',
    ),
  ];
}
