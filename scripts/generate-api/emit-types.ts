import type { FieldModel, MessageModel, PackageModel, TypeModel } from './model.ts';

const SCALAR_TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  int32: 'number',
  int64: 'number',
  uint32: 'number',
  uint64: 'number',
  double: 'number',
  bytes: 'string',
  time: 'string',
  microTime: 'string',
  duration: 'string',
  quantity: 'string',
  intOrString: 'number | string',
  rawExtension: 'unknown',
  fieldsV1: 'unknown',
  json: 'unknown',
  schemaOrArray: 'JSONSchemaProps | JSONSchemaProps[]',
  schemaOrBool: 'JSONSchemaProps | boolean',
  schemaOrStrings: 'JSONSchemaProps | string[]',
};

/** The TypeScript interfaces of one package. */
export function emitTypes(pkg: PackageModel, all: readonly PackageModel[]): string {
  const own = new Set(pkg.messages.map((message) => message.name));
  const imports = new Map<string, Map<string, string>>();
  const refer = (key: string, name: string): string => {
    if (key === pkg.config.key) return name;
    const local = own.has(name) ? `${prefixOf(key)}${name}` : name;
    const names = imports.get(key) ?? new Map<string, string>();
    names.set(name, local);
    imports.set(key, names);
    return local;
  };
  const byKey = new Map(all.map((entry) => [entry.config.key, entry]));
  const bodies = pkg.messages.map((message) => emitInterface(message, byKey, refer));
  const lines = [...imports.keys()].toSorted().map((key) => {
    const names = [...imports.get(key)!]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, local]) => (name === local ? name : `${name} as ${local}`));
    return `import type { ${names.join(', ')} } from './${key}.ts';`;
  });
  return `${lines.join('\n')}${lines.length > 0 ? '\n\n' : ''}${bodies.join('\n')}`;
}

function prefixOf(key: string): string {
  const first = key.split('-')[0]!;
  return first.charAt(0).toUpperCase() + first.slice(1);
}

type Refer = (key: string, name: string) => string;

function emitInterface(
  message: MessageModel,
  byKey: ReadonlyMap<string, PackageModel>,
  refer: Refer,
): string {
  const lines = message.isKind ? ['  apiVersion?: string;', '  kind?: string;'] : [];
  for (const field of flatten(message, byKey)) {
    const metadata = message.isKind && field.name === 'metadata';
    const optional = !field.optional && !metadata ? '' : '?';
    const name = /^\w+$/.test(field.name) ? field.name : `'${field.name}'`;
    lines.push(`  ${name}${optional}: ${typeOf(field.type, refer)};`);
  }
  const body = lines.length === 0 ? '' : `\n${lines.join('\n')}\n`;
  return lines.length === 0
    ? `export type ${message.name} = Record<string, never>;\n`
    : `export interface ${message.name} {${body}}\n`;
}

/** The fields as JSON has them: those of inlined messages stand among their holder's. */
function flatten(message: MessageModel, byKey: ReadonlyMap<string, PackageModel>): FieldModel[] {
  return message.fields.flatMap((field) => {
    if (!field.inline || field.type.kind !== 'message') return [field];
    const { package: key, name } = field.type;
    const target = byKey.get(key)!.messages.find((entry) => entry.name === name)!;
    return flatten(target, byKey);
  });
}

function typeOf(type: TypeModel, refer: Refer): string {
  if (type.kind === 'list' || type.kind === 'wrapped') {
    const items = typeOf(type.items, refer);
    return /^[\w]+(\[\])?$/.test(items) ? `${items}[]` : `Array<${items}>`;
  }
  if (type.kind === 'map') return `Record<string, ${typeOf(type.items, refer)}>`;
  return type.kind === 'message' ? refer(type.package, type.name) : SCALAR_TYPES[type.scalar]!;
}
