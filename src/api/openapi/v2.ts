import { isObject } from '../objects.ts';
import { builtInGroupVersions } from '../schema.ts';
import { componentSchemas, type OpenApiSchema } from './v3.ts';

const V3_REF = '#/components/schemas/';

/**
 * The definitions of the OpenAPI v2 document, which old clients (kubectl before 1.27) read for validation and
 * explain: the v3 schemas of every built-in group and version in v2's words.
 */
export function definitions(): Record<string, OpenApiSchema> {
  const merged = new Map<string, OpenApiSchema>();
  for (const { group, version } of builtInGroupVersions()) {
    for (const [name, schema] of Object.entries(componentSchemas(group, version))) {
      const known = merged.get(name);
      merged.set(name, known ? withKinds(known, schema) : toV2(schema));
    }
  }
  return Object.fromEntries([...merged].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** DeleteOptions and WatchEvent carry a kind for every group that serves them. */
function withKinds(known: OpenApiSchema, other: OpenApiSchema): OpenApiSchema {
  const key = 'x-kubernetes-group-version-kind';
  const kinds = [...asList(known[key]), ...asList(other[key])];
  if (kinds.length === 0) return known;
  const distinct = new Map(kinds.map((kind) => [JSON.stringify(kind), kind]));
  return { ...known, [key]: [...distinct.values()] };
}

function asList(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/**
 * A v3 schema in v2's words: references to definitions, no allOf around a reference with siblings, and no
 * oneOf: int-or-string and quantities are strings there. Also turns a CRD's schema into a definition.
 */
export function toV2(schema: OpenApiSchema): OpenApiSchema {
  const result: OpenApiSchema = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'oneOf' || key === 'anyOf' || key === 'not' || key === 'nullable') continue;
    if (key === 'allOf') Object.assign(result, unwrap(value));
    else if (key === '$ref') result.$ref = refV2(value);
    else if (key === 'properties') result.properties = mapValues(value);
    else if (key === 'items' || key === 'additionalProperties')
      result[key] = isObject(value) ? toV2(value) : value;
    else result[key] = value;
  }
  if (schema.oneOf !== undefined && result.type === undefined) result.type = 'string';
  // A reference takes no siblings but extensions; a default beside it is only {}.
  if (result.$ref !== undefined) delete result.default;
  return result;
}

function unwrap(value: unknown): OpenApiSchema {
  const [only, ...others] = asList(value);
  return isObject(only) && others.length === 0 && '$ref' in only ? { $ref: refV2(only.$ref) } : {};
}

function refV2(value: unknown): string {
  return String(value).replace(V3_REF, '#/definitions/');
}

function mapValues(value: unknown): OpenApiSchema {
  if (!isObject(value)) return {};
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, isObject(inner) ? toV2(inner) : inner]),
  );
}
