import type { KubeObject } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { isTrue } from '../http/request-info.ts';

/**
 * The options object of a stream as admission sees it, read from the query by the kind's schema. Mirrors
 * apimachinery pkg/conversion/queryparams: parameters that the kind does not know are left out.
 */
export function connectOptions(
  kind: { group: string; version: string; kind: string },
  query: URLSearchParams,
  rest: string,
): KubeObject {
  const options: Record<string, unknown> = { kind: kind.kind, apiVersion: apiVersionOf(kind) };
  const fields = schemaForKind(kind.group, kind.version, kind.kind)?.fields;
  for (const name of new Set(query.keys())) {
    const field = fields?.get(name);
    if (!field || name === 'kind' || name === 'apiVersion') continue;
    const { schema } = field;
    const value = query.get(name) ?? '';
    if (schema.kind === 'bool') options[name] = isTrue(value);
    else if (schema.kind === 'int32' || schema.kind === 'int64') options[name] = Number(value);
    else if (schema.kind === 'list') {
      const isNumber = schema.items.kind === 'int32' || schema.items.kind === 'int64';
      options[name] = isNumber ? query.getAll(name).map(Number) : query.getAll(name);
    } else options[name] = value;
  }
  if (rest !== '' && fields?.has('path')) options.path = rest;
  return options;
}
