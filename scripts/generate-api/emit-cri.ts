import type { ProtoField, ProtoFile, ProtoMessage } from './proto.ts';

const SCALAR_TYPES: Readonly<Record<string, string>> = {
  string: 'string',
  bool: 'boolean',
  int32: 'number',
  uint32: 'number',
  int64: 'number',
  uint64: 'number',
  double: 'number',
  bytes: 'Buffer',
};

/** kubelet/cri/gen/types.ts: interfaces, enum constants, and request and response of every method. */
export function emitCriTypes(file: ProtoFile): string {
  const enums = new Set(file.enums.map((entry) => entry.name));
  const parts = file.enums.map((entry) => {
    const values = entry.values.map(([name, value]) => `  ${name}: ${value},`).join('\n');
    return `export const ${entry.name} = {\n${values}\n} as const;\nexport type ${entry.name} = number;\n`;
  });
  for (const message of file.messages) {
    const fields = message.fields.map((field) => `  ${field.name}${tsField(field, enums)};`);
    parts.push(
      fields.length === 0
        ? `export type ${message.name} = Record<string, never>;\n`
        : `export interface ${message.name} {\n${fields.join('\n')}\n}\n`,
    );
  }
  for (const service of serviceNames(file)) {
    const methods = file.methods
      .filter((method) => method.service === service)
      .map((method) => `  ${method.name}: { request: ${method.request}; response: ${method.response} };`);
    parts.push(`export interface ${service}Methods {\n${methods.join('\n')}\n}\n`);
  }
  return `${CRI_NOTE}\n${parts.join('\n')}`;
}

const CRI_NOTE = `// Field names are those of api.proto (snake_case). Bytes are Buffers, enums numbers, int64 and uint64 numbers
// (bigint at run time beyond 2^53). In a decoded message every scalar, list and map is present, a message
// only where it was sent; the encoder takes any of them absent.
`;

/** kubelet/cri/gen/schema.ts: the table for the protobuf codec, and the methods of each service. */
export function emitCriSchema(file: ProtoFile): string {
  const enums = new Set(file.enums.map((entry) => entry.name));
  const lines = file.messages.flatMap((message) => messageLines(message, enums));
  const services = serviceNames(file).map((service) => {
    const methods = file.methods.filter((method) => method.service === service);
    const entries = methods.map(
      (method) => `  ${method.name}: {
    path: '/${file.package}.${service}/${method.name}',
    request: '${method.request}',
    response: '${method.response}',
    serverStreaming: ${method.serverStreaming},
  },`,
    );
    return `export const ${constant(service)} = {\n${entries.join('\n')}\n} as const;\n`;
  });
  return `import type { SchemaTable } from '../../../api/schema-table.ts';

export const TABLE: SchemaTable = {
  key: 'cri-v1',
  group: undefined,
  version: 'v1',
  goPackage: 'v1',
  openApiPrefix: '${file.package}',
  text: \`
${lines.join('\n')}
\`,
};

${services.join('\n')}`;
}

function constant(service: string): string {
  return service.replaceAll(/([a-z])([A-Z])/g, '$1_$2').toUpperCase();
}

function serviceNames(file: ProtoFile): string[] {
  return [...new Set(file.methods.map((method) => method.service))];
}

function tsField(field: ProtoField, enums: ReadonlySet<string>): string {
  const base = SCALAR_TYPES[field.type] ?? field.type;
  if (field.mapKey !== undefined) return `: Record<string, ${base}>`;
  if (field.repeated) return `: ${base}[]`;
  return field.type in SCALAR_TYPES || enums.has(field.type) ? `: ${base}` : `?: ${base}`;
}

function messageLines(message: ProtoMessage, enums: ReadonlySet<string>): string[] {
  const lines = message.fields.map((field) => {
    const mark = field.mapKey !== undefined ? '{}' : field.repeated ? '[]' : '';
    const scalar = field.type === 'bytes' ? 'buffer' : enums.has(field.type) ? 'int32' : field.type;
    const isScalar = field.type in SCALAR_TYPES || enums.has(field.type);
    return ` ${field.name} ${field.number} ${mark}${isScalar ? scalar : `.${field.type}`} 3`;
  });
  return [message.name, ...lines];
}
