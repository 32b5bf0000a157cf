import type { MergeType } from '../../api/apply/merge-type.ts';
import type { Decoded } from '../../api/json/decode.ts';
import { plain } from '../../api/json/canonical.ts';
import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { CustomKind } from '../custom-kind.ts';
import { mergeTypeOfSchema } from './crd-merge-type.ts';
import { applyDefaults, hasDefaults, pruneNonNullableNulls } from './defaults.ts';
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
    coerceMeta(object, this.schema, strictErrors);
    for (const path of prune(object, this.schema)) strictErrors.push(`unknown field ${JSON.stringify(path)}`);
    if (this.#defaults) applyDefaults(object, this.schema);
    return { object, strictErrors };
  }

  /** A stored object, perhaps written under an older schema, as this one serves it; the argument is changed. */
  fromStored(object: KubeObject): KubeObject {
    if (!this.schema) return object;
    prune(object, this.schema);
    if (this.#defaults) {
      pruneNonNullableNulls(object, this.schema);
      applyDefaults(object, this.schema);
    }
    return object;
  }
}

/** 'com.example.stable.v1.CronTab' of stable.example.com/v1 CronTab: its name in OpenAPI documents. */
export function modelName(group: string, version: string, kind: string): string {
  return [...group.split('.').reverse(), version, kind].join('.');
}
