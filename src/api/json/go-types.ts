import type { ScalarKind, Schema } from '../schema.ts';

const SCALARS: Readonly<Partial<Record<ScalarKind, string>>> = {
  double: 'float64',
  bytes: '[]uint8',
  buffer: '[]uint8',
  time: 'v1.Time',
  microTime: 'v1.MicroTime',
  duration: 'v1.Duration',
  quantity: 'resource.Quantity',
  intOrString: 'intstr.IntOrString',
  rawExtension: 'runtime.RawExtension',
  fieldsV1: 'v1.FieldsV1',
  json: 'v1.JSON',
  schemaOrArray: 'v1.JSONSchemaPropsOrArray',
  schemaOrBool: 'v1.JSONSchemaPropsOrBool',
  schemaOrStrings: 'v1.JSONSchemaPropsOrStringArray',
};

/** The Go type that upstream names in an error: 'int32', '[]v1.Container', 'map[string]string'. */
export function goTypeName(schema: Schema): string {
  if (schema.kind === 'message') return schema.goName;
  if (schema.kind === 'list') return `[]${goTypeName(schema.items)}`;
  if (schema.kind === 'map') return `map[string]${goTypeName(schema.items)}`;
  return schema.goName ?? SCALARS[schema.kind] ?? schema.kind;
}

/** What Go calls the JSON value: 'string', 'number', 'bool', 'array', 'object'. */
export function goValueName(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  return typeof value === 'object' ? 'object' : 'number';
}
