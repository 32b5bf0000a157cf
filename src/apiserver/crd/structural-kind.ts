import type { MergeType } from '../../api/apply/merge-type.ts';
import type { Decoded } from '../../api/json/decode.ts';
import { plain } from '../../api/json/canonical.ts';
import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { CustomKind } from '../custom-kind.ts';
import { mergeTypeOfSchema } from './crd-merge-type.ts';
import { applyDefaults, hasDefaults, pruneNulls } from './defaults.ts';
import { coerceMeta } from './embedded-meta.ts';
import { prune } from './prune.ts';
import type { SchemaNode } from './schema-node.ts';
import { JsonError } from '../../api/json/errors.ts';

/** One version of a custom kind, by its schema. */
export class StructuralKind implements CustomKind {
  readonly schema: SchemaNode | undefined;
  readonly modelName: string;
  readonly listModelName: string;
  readonly #defaults: boolean;
  #mergeType: MergeType | undefined;

  constructor(
    schema: SchemaNode | undefined,
    names: { group: string; version: string; kind: string; listKind: string },
  ) {
    this.schema = schema;
    this.#defaults = hasDefaults(schema);
    this.modelName = modelName(names.group, names.version, names.kind);
    this.listModelName = modelName(names.group, names.version, names.listKind);
  }

  get mergeType(): MergeType {
    this.#mergeType ??= mergeTypeOfSchema(this.schema);
    return this.#mergeType;
  }

  decode(value: unknown): Decoded {
    if (!isObject(value)) throw new JsonError('the object provided is no JSON object');
    const strictErrors: string[] = [];
    const object = plain(value) as JsonObject;
    const inMeta: string[] = [];
    coerceMeta(object, this.schema, inMeta);
    for (const path of prune(object, this.schema)) strictErrors.push(`unknown field ${JSON.stringify(path)}`);
    strictErrors.push(...inMeta.sort());
    pruneNulls(object, this.schema);
    if (this.#defaults) applyDefaults(object, this.schema);
    return { object, strictErrors };
  }

  /** Fills defaults into a stored object of this version, in place. */
  defaultStored(object: KubeObject): void {
    pruneNulls(object, this.schema);
    if (this.#defaults) applyDefaults(object, this.schema);
  }

  /** Takes out of an object, in place, what this version does not declare. */
  prune(object: KubeObject): void {
    if (this.schema) prune(object, this.schema);
  }
}

/** 'com.example.stable.v1.CronTab' of stable.example.com/v1 CronTab: its name in OpenAPI documents. */
export function modelName(group: string, version: string, kind: string): string {
  return [...group.split('.').toReversed(), version, kind].join('.');
}
