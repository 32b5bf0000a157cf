export interface ProtoField {
  readonly name: string;
  readonly number: number;
  readonly repeated: boolean;
  /** Key type of a map field. */
  readonly mapKey: string | undefined;
  /** Scalar name or message reference as written. */
  readonly type: string;
}

export interface ProtoMessage {
  readonly name: string;
  readonly fields: ProtoField[];
}

export interface ProtoEnum {
  readonly name: string;
  readonly values: Array<[string, number]>;
}

export interface ProtoMethod {
  readonly service: string;
  readonly name: string;
  readonly request: string;
  readonly response: string;
  readonly serverStreaming: boolean;
}

export interface ProtoFile {
  readonly package: string;
  readonly messages: ProtoMessage[];
  readonly enums: ProtoEnum[];
  readonly methods: ProtoMethod[];
}

const FIELD =
  /^\s*(optional|required|repeated)?\s*(map<\s*(\w+)\s*,\s*([\w.]+)\s*>|[\w.]+)\s+(\w+)\s*=\s*(\d+)/;
const METHOD = /^\s*rpc\s+(\w+)\s*\(\s*([\w.]+)\s*\)\s*returns\s*\(\s*(stream\s+)?([\w.]+)\s*\)/;

/** Reads the subset of proto2 and proto3 that Kubernetes' files use; oneof members count as ordinary fields. */
export function parseProto(text: string): ProtoFile {
  const stripped = text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/\/\/[^\n]*/g, '');
  const file: ProtoFile = {
    package: /^\s*package\s+([\w.]+);/m.exec(stripped)?.[1] ?? '',
    messages: [],
    enums: [],
    methods: [],
  };
  const scopes: Array<ProtoMessage | ProtoEnum | string> = [];
  for (const line of stripped.split('\n')) readLine(file, scopes, line);
  return file;
}

function readLine(file: ProtoFile, scopes: Array<ProtoMessage | ProtoEnum | string>, line: string): void {
  const opened = /^\s*(message|enum|service|oneof)\s+(\w+)\s*\{/.exec(line);
  if (opened) {
    openScope(file, scopes, opened[1]!, opened[2]!);
    if (line.includes('}')) scopes.pop();
    return;
  }
  if (/^\s*\}/.test(line)) {
    scopes.pop();
    return;
  }
  const method = METHOD.exec(line);
  const scope = scopes.findLast((entry) => entry !== 'oneof');
  if (method && typeof scope === 'string') {
    file.methods.push({
      service: scope,
      name: method[1]!,
      request: method[2]!,
      serverStreaming: method[3] !== undefined,
      response: method[4]!,
    });
    // An rpc with an empty body on the same line opens nothing; one with a body on lines of its own does.
    if (line.includes('{') && !line.includes('}')) scopes.push('rpc');
    return;
  }
  if (scope === undefined || typeof scope === 'string') return;
  if ('values' in scope) {
    const value = /^\s*(\w+)\s*=\s*(-?\d+)/.exec(line);
    if (value) scope.values.push([value[1]!, Number(value[2])]);
    return;
  }
  const field = FIELD.exec(line);
  if (field) {
    scope.fields.push({
      name: field[5]!,
      number: Number(field[6]),
      repeated: field[1] === 'repeated',
      mapKey: field[3],
      type: field[4] ?? field[2]!,
    });
  }
}

function openScope(
  file: ProtoFile,
  scopes: Array<ProtoMessage | ProtoEnum | string>,
  keyword: string,
  name: string,
): void {
  if (keyword === 'message') {
    const message: ProtoMessage = { name, fields: [] };
    file.messages.push(message);
    scopes.push(message);
  } else if (keyword === 'enum') {
    const found: ProtoEnum = { name, values: [] };
    file.enums.push(found);
    scopes.push(found);
  } else {
    scopes.push(keyword === 'oneof' ? 'oneof' : name);
  }
}
