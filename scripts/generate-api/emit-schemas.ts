import type { FieldModel, PackageModel, TypeModel } from './model.ts';

/** Defaults that upstream writes as a reference to a constant. */
const REFERENCED_DEFAULTS: Readonly<Record<string, string>> = {
  'ref(AzureDataDiskCachingReadWrite)': '"ReadWrite"',
  'ref(AzureSharedBlobDisk)': '"Shared"',
};

/** The schema table of one package, in the line format that src/api/schema-table.ts reads. */
export function emitSchema(pkg: PackageModel): string {
  const lines: string[] = [];
  for (const [name, values] of [...pkg.enums].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    lines.push(`#${name} ${values.join('|')}`);
  }
  for (const message of pkg.messages) {
    lines.push(`${message.isKind ? '+' : ''}${message.name}${message.atomic ? ' atomic' : ''}`);
    for (const field of message.fields) lines.push(` ${fieldLine(field, pkg.config.key)}`);
  }
  return `import type { SchemaTable } from '../../schema-table.ts';

export const TABLE: SchemaTable = {
  key: '${pkg.config.key}',
  group: ${pkg.config.group === undefined ? 'undefined' : `'${pkg.config.group}'`},
  version: '${pkg.config.version}',
  goPackage: '${pkg.goPackage}',
  openApiPrefix: '${pkg.openApiPrefix}',
  text: \`
${lines.join('\n').replaceAll('\\', '\\\\').replaceAll('`', '\\`')}
\`,
};
`;
}

/** gen/schemas.ts: all tables. */
export function emitSchemaIndex(keys: readonly string[]): string {
  const name = (key: string): string => key.replaceAll('-', '_').toUpperCase();
  const imports = keys.map((key) => `import { TABLE as ${name(key)} } from './schemas/${key}.ts';`);
  return `import type { SchemaTable } from '../schema-table.ts';
${imports.join('\n')}

export const TABLES: readonly SchemaTable[] = [
${keys.map((key) => `  ${name(key)},`).join('\n')}
];
`;
}

function fieldLine(field: FieldModel, key: string): string {
  const parts = [field.name, String(field.number), typeText(field.type, key)];
  let flags = '';
  if (field.omitEmpty) flags += '?';
  if (field.omitZero) flags += '0';
  if (field.pointer) flags += '*';
  if (field.required) flags += '!';
  if (field.inline) flags += '~';
  if (flags !== '') parts.push(flags);
  if (field.listType !== undefined) parts.push(`list=${field.listType}`);
  if (field.listMapKeys.length > 0) parts.push(`keys=${field.listMapKeys.join(',')}`);
  if (field.atomic !== undefined) parts.push(field.atomic ? 'atomic' : 'granular');
  if (field.patchStrategy !== undefined) parts.push(`patch=${field.patchStrategy}`);
  if (field.patchMergeKey !== undefined) parts.push(`merge=${field.patchMergeKey}`);
  if (field.default !== undefined) parts.push(`default=${defaultText(field.default)}`);
  return parts.join(' ');
}

function defaultText(text: string): string {
  const json = JSON.stringify(JSON.parse(REFERENCED_DEFAULTS[text] ?? text));
  return json.replaceAll(' ', String.raw`\u0020`);
}

function typeText(type: TypeModel, key: string): string {
  if (type.kind === 'list') return `[]${typeText(type.items, key)}`;
  if (type.kind === 'map') return `{}${typeText(type.items, key)}`;
  if (type.kind === 'wrapped') return `<>${typeText(type.items, key)}`;
  if (type.kind === 'message') {
    return type.package === key ? `.${type.name}` : `.${type.package}:${type.name}`;
  }
  const goName = type.goName === undefined ? '' : `:${type.goName}`;
  const enumOf = type.enumOf === undefined ? '' : `#${type.enumOf.replace(`${key}:`, '')}`;
  return `${type.scalar}${goName}${enumOf}`;
}
