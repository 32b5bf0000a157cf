import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
} from '../../api/gen/types/apiextensions-v1.ts';
import { deepClone, isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { compareVersions } from '../discovery/served-groups.ts';
import { invalid } from '../field-error.ts';
import type { FieldError } from '../field-error.ts';
import { sameJson } from '../resources/validation/checks.ts';
import type {
  ResourceDefinition,
  ResourceStrategy,
  StrategyContext,
  Subresource,
} from '../resource-definition.ts';
import { methodNotSupported } from '../status-errors.ts';
import { conversions } from './conversion/conversions.ts';
import type { Converter } from './conversion/webhook-converter.ts';
import { columnsOf } from './custom-columns.ts';
import { fieldsOf, scaleOf } from './custom-scale.ts';
import { validateEmbedded } from './embedded-meta.ts';
import { finalizerWarnings } from './finalizer-warnings.ts';
import { parseJsonPath, printValue } from './json-path.ts';
import { validateListTypes } from './list-types.ts';
import { StructuralKind } from './structural-kind.ts';
import { ruleTree } from './rules/rule-tree.ts';
import type { RuleNode } from './rules/rule-tree.ts';
import { validateByRules } from './rules/rule-validator.ts';
import type { SchemaNode } from './schema-node.ts';
import { validateValue } from './value-validator.ts';

/** Errors after which values are not of the types that rules rely on. */
const BLOCKING: ReadonlySet<string> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
]);

type CustomObject = KubeObject & { status?: unknown };

interface ServingOptions {
  /** As in `storedAs`. */
  sameSince?: number | undefined;
  /** Whether the definition is being deleted. */
  isTerminating?: () => boolean;
  /** Where the definition names a webhook for it. */
  converter?: Converter | undefined;
}

/** How a version of a custom resource is served. */
export function customDefinition(
  crd: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  { sameSince, isTerminating = () => false, converter }: ServingOptions = {},
): ResourceDefinition {
  const info = infoOf(crd, version.name);
  const names = crd.status?.acceptedNames ?? crd.spec.names;
  const kind = kindOf(crd, version);
  const stored = crd.spec.versions.find(({ storage }) => storage) ?? version;
  const apiVersion = apiVersionOf(info);
  const rules = new CustomRules(crd, version, kind, isTerminating);
  const converted = new WeakMap<KubeObject, KubeObject>();
  const kinds = kindsOf(crd);
  // As upstream: defaults of the version that was stored, then only what this version declares.
  const fromStored = (object: KubeObject): KubeObject => {
    const writtenAs = object.apiVersion?.slice(object.apiVersion.indexOf('/') + 1) ?? '';
    kinds.get(writtenAs)?.defaultStored(object);
    kind.prune(object);
    return { ...object, apiVersion, kind: info.kind };
  };
  return {
    info,
    singularName: names.singular ?? names.kind.toLowerCase(),
    ...(names.shortNames?.length ? { shortNames: names.shortNames } : {}),
    ...(names.categories?.length ? { categories: names.categories } : {}),
    listKind: names.listKind ?? `${names.kind}List`,
    custom: kind,
    ...deprecation(crd, version),
    storedAs: {
      info: infoOf(crd, stored.name),
      toStored: (object) => {
        if (version.storage) return object;
        const copy = deepClone(object);
        kinds.get(stored.name)?.prune(copy);
        return copy;
      },
      fromStored: (object) => {
        let own = converted.get(object);
        if (!own) {
          own = fromStored(deepClone(object));
          converted.set(object, own);
        }
        return own;
      },
      ...(converter ? conversions(converter, kinds, kind, info, stored.name) : {}),
      ...(sameSince === undefined ? {} : { sameSince }),
    },
    strategy: rules.strategy(),
    subresources: rules.subresources(),
    columns: columnsOf(version.additionalPrinterColumns),
    ...rules.selectable(),
  };
}

/** Mirrors defaultDeprecationWarning of apiextensions-apiserver pkg/apiserver/customresource_handler.go. */
function deprecation(
  { spec }: CustomResourceDefinition,
  { name, deprecated, deprecationWarning }: CustomResourceDefinitionVersion,
): { deprecationWarning?: string } {
  if (!deprecated) return {};
  if (deprecationWarning !== undefined) return { deprecationWarning };
  const { group, names } = spec;
  const [newest] = spec.versions
    .filter((other) => other.served && !other.deprecated && compareVersions(other.name, name) < 0)
    .map((other) => other.name)
    .sort(compareVersions);
  const text = `${group}/${name} ${names.kind} is deprecated`;
  return { deprecationWarning: newest ? `${text}; use ${group}/${newest} ${names.kind}` : text };
}

function kindOf(crd: CustomResourceDefinition, version: CustomResourceDefinitionVersion): StructuralKind {
  const names = crd.status?.acceptedNames ?? crd.spec.names;
  const info = infoOf(crd, version.name);
  return new StructuralKind(version.schema?.openAPIV3Schema, {
    ...info,
    listKind: names.listKind || `${info.kind}List`,
  });
}

/** All versions that objects may be stored in. */
function kindsOf(crd: CustomResourceDefinition): ReadonlyMap<string, StructuralKind> {
  return new Map(crd.spec.versions.map((version) => [version.name, kindOf(crd, version)]));
}

export function infoOf(crd: CustomResourceDefinition, version: string): ResourceInfo {
  const names = crd.status?.acceptedNames;
  return {
    group: crd.spec.group,
    version,
    resource: names?.plural || crd.spec.names.plural,
    kind: names?.kind || crd.spec.names.kind,
    namespaced: crd.spec.scope === 'Namespaced',
  };
}

/** Mirrors apiextensions-apiserver pkg/registry/customresource/{strategy,status_strategy,validator}.go. */
class CustomRules {
  readonly #crd: CustomResourceDefinition;
  readonly #version: CustomResourceDefinitionVersion;
  readonly #kind: StructuralKind;
  readonly #hasStatus: boolean;
  readonly #isTerminating: () => boolean;
  readonly #rules: () => RuleNode | undefined;

  constructor(
    crd: CustomResourceDefinition,
    version: CustomResourceDefinitionVersion,
    kind: StructuralKind,
    isTerminating: () => boolean,
  ) {
    this.#crd = crd;
    this.#version = version;
    this.#kind = kind;
    this.#isTerminating = isTerminating;
    // Compiled when the first object is written: there may be hundreds of definitions.
    let rules: { tree: RuleNode | undefined } | undefined;
    this.#rules = () => (rules ??= { tree: kind.schema && ruleTree(kind.schema) }).tree;
    this.#hasStatus = version.subresources?.status !== undefined;
  }

  strategy(): ResourceStrategy<CustomObject> {
    const resource = { group: this.#crd.spec.group, resource: this.#crd.spec.names.plural };
    return {
      allowUnconditionalUpdate: false,
      generation: (object, old) => !sameJson(this.#counted(object), this.#counted(old)),
      prepareForCreate: (object) => {
        if (this.#isTerminating()) {
          const error = methodNotSupported(resource, 'create');
          error.status.message = 'create not allowed while custom resource definition is terminating';
          throw error;
        }
        if (this.#hasStatus) delete object.status;
      },
      prepareForUpdate: (object, old) => {
        if (!this.#hasStatus) return;
        if (old.status === undefined) delete object.status;
        else object.status = old.status;
      },
      validateCreate: (object, context) => this.#validate(object, context),
      validateUpdate: (object, old, context) => this.#validate(object, context, old),
      warningsOnCreate: (object) => finalizerWarnings(object),
      warningsOnUpdate: (object, old) => finalizerWarnings(object, old),
    };
  }

  subresources(): Array<Subresource<CustomObject>> {
    const { subresources } = this.#version;
    const list: Array<Subresource<CustomObject>> = [];
    if (subresources?.status) {
      list.push({
        type: 'part',
        name: 'status',
        prepareForUpdate: keepAllButStatus,
        validateUpdate: (object, old, context) => this.#validateStatus(object, old, context),
      });
    }
    if (subresources?.scale) list.push(scaleOf(subresources.scale));
    return list;
  }

  /** What field selectors may name, beside the metadata. */
  selectable(): Pick<ResourceDefinition, 'fields' | 'selectableFields'> {
    const fields = this.#version.selectableFields ?? [];
    if (fields.length === 0) return {};
    const paths = fields.map(({ jsonPath }) => ({
      name: jsonPath.replace(/^\./, ''),
      path: parseJsonPath(jsonPath),
    }));
    return {
      selectableFields: paths.map(({ name }) => name),
      fields: (object) =>
        Object.fromEntries(paths.map(({ name, path }) => [name, printValue(path?.find(object)[0])])),
    };
  }

  /** The part of an object whose changes make a new generation. */
  #counted(object: CustomObject): JsonObject {
    const { metadata: _metadata, ...rest } = object;
    if (this.#hasStatus) delete rest.status;
    return rest;
  }

  #validate(object: CustomObject, context: StrategyContext, old?: CustomObject): FieldError[] {
    const { schema } = this.#kind;
    const errors: FieldError[] = [];
    if (schema) errors.push(...validateValue(object, schema, '', old && { value: old }));
    errors.push(...this.#validateScale(object, 'spec'), ...this.#validateScale(object, 'status'));
    errors.push(...validateEmbedded(object, schema, ''), ...this.#validateLists(object, old));
    errors.push(...this.#validateByRules(errors, object, old, context));
    return errors;
  }

  /** Lists that were wrong before may stay so. */
  #validateLists(object: CustomObject, old: CustomObject | undefined): FieldError[] {
    const { schema } = this.#kind;
    if (old && validateListTypes(old, schema, '').length > 0) return [];
    return validateListTypes(object, schema, '');
  }

  /** The rules of the schema are for objects that are otherwise well-formed. */
  #validateByRules(
    errors: readonly FieldError[],
    object: CustomObject,
    old: CustomObject | undefined,
    { request }: StrategyContext,
  ): FieldError[] {
    const rules = this.#rules();
    if (!rules) return [];
    if (!errors.some(({ type }) => BLOCKING.has(type))) {
      return validateByRules(rules, object, old, (text) => request.warn(text));
    }
    const why =
      'some validation rules were not checked because the object was invalid; correct the existing errors to complete validation';
    return [invalid('<nil>', null, why)];
  }

  #validateStatus(object: CustomObject, old: CustomObject, context: StrategyContext): FieldError[] {
    const schema: SchemaNode | undefined = this.#kind.schema?.properties?.status;
    const errors: FieldError[] = [];
    if (schema && object.status !== undefined) {
      errors.push(...validateValue(object.status, schema, 'status', { value: old.status }));
    }
    errors.push(...this.#validateScale(object, 'status'), ...this.#validateLists(object, old));
    return [...errors, ...this.#validateByRules(errors, object, old, context)];
  }

  #validateScale(object: CustomObject, part: 'spec' | 'status'): FieldError[] {
    const scale = this.#version.subresources?.scale;
    if (!scale) return [];
    const path = part === 'spec' ? scale.specReplicasPath : scale.statusReplicasPath;
    let value: unknown = object;
    for (const name of fieldsOf(path)) value = isObject(value) ? value[name] : undefined;
    if (value === undefined || value === null) return [];
    if (typeof value !== 'number' || !Number.isInteger(value)) {
      return [
        invalid(
          path,
          value,
          `${path} accessor error: ${JSON.stringify(value)} is of the type ${typeof value}, expected int64`,
        ),
      ];
    }
    if (value < 0) return [invalid(path, value, 'should be a non-negative integer')];
    if (value > 2_147_483_647) {
      return [invalid(path, value, 'should be less than or equal to 2147483647')];
    }
    return [];
  }
}

/** /status of a custom object writes nothing but the status. */
function keepAllButStatus(object: CustomObject, old: CustomObject): void {
  const { status } = object;
  const managers = object.metadata?.managedFields;
  const target = object as JsonObject;
  for (const name of Object.keys(target)) delete target[name];
  Object.assign(target, deepClone(old));
  if (status === undefined) delete object.status;
  else object.status = status;
  const metadata = (object.metadata ??= {});
  if (managers) metadata.managedFields = managers;
  else delete metadata.managedFields;
}
