import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface GoField {
  /** Go name; that of the type for an embedded field. */
  readonly name: string;
  readonly type: string;
  /** Struct tags: json, protobuf, patchStrategy, patchMergeKey. */
  readonly tags: ReadonlyMap<string, string>;
  /** `+name=value` markers of the comment, in order. */
  readonly markers: ReadonlyArray<readonly [string, string]>;
}

export interface GoType {
  readonly name: string;
  /** undefined for a struct. */
  readonly underlying: string | undefined;
  readonly fields: GoField[];
  readonly markers: ReadonlyArray<readonly [string, string]>;
  /** Import aliases of the file the type is in: alias → path. */
  readonly imports: ReadonlyMap<string, string>;
}

export interface GoPackage {
  readonly types: Map<string, GoType>;
  /** Constants by the name of their type, in order. */
  readonly constants: Map<
    string,
    Array<{ value: string; markers: ReadonlyArray<readonly [string, string]> }>
  >;
}

const SKIPPED =
  /(_test|^generated\.pb|generated\.protomessage.*|^zz_generated.*|^types_swagger.*|fuzzer.*|^generated.*)\.go$/;

/** Reads type declarations, struct tags, markers and typed string constants of one Go package. */
export function readGoPackage(dir: string): GoPackage {
  const found: GoPackage = { types: new Map(), constants: new Map() };
  for (const name of readdirSync(dir).toSorted()) {
    if (name.endsWith('.go') && !SKIPPED.test(name)) readGoFile(readFileSync(join(dir, name), 'utf8'), found);
  }
  return found;
}

type Markers = Array<readonly [string, string]>;

function readGoFile(text: string, into: GoPackage): void {
  const imports = readImports(text);
  let markers: Markers = [];
  let open: GoType | undefined;
  let inComment = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (inComment || line.startsWith('/*')) {
      inComment = !line.includes('*/');
      continue;
    }
    if (line.startsWith('//')) {
      const marker = /^\/\/\s*\+([\w:-]+)(?:=(.*))?/.exec(line);
      if (marker) markers.push([marker[1]!, (marker[2] ?? '').trim()]);
      continue;
    }
    if (line === '') {
      // Markers may stand in a comment block of their own above the declaration's comment.
      if (open) markers = [];
      continue;
    }
    if (open) {
      if (raw === '}') open = undefined;
      else readField(open, line, markers);
    } else {
      open = readDeclaration(into, line, markers, imports);
    }
    markers = [];
  }
}

function readDeclaration(
  into: GoPackage,
  line: string,
  markers: Markers,
  imports: ReadonlyMap<string, string>,
): GoType | undefined {
  const declared = /^type\s+(\w+)\s+(=\s*)?(.+?)(\s*\/\/.*)?$/.exec(line);
  if (declared) {
    const isStruct = declared[3]!.startsWith('struct');
    const type: GoType = {
      name: declared[1]!,
      underlying: isStruct ? undefined : declared[3]!,
      fields: [],
      markers,
      imports,
    };
    if (!declared[3]!.startsWith('interface') && !declared[3]!.startsWith('func'))
      into.types.set(type.name, type);
    return isStruct && !line.endsWith('}') ? type : undefined;
  }
  const constant =
    /^(?:const\s+)?\w+\s+(\w+)\s*=\s*"([^"]*)"/.exec(line) ?? /^\w+\s*=\s*(\w+)\("([^"]*)"\)/.exec(line);
  if (constant) {
    const list = into.constants.get(constant[1]!) ?? [];
    list.push({ value: constant[2]!, markers });
    into.constants.set(constant[1]!, list);
  }
  return undefined;
}

function readField(type: GoType, line: string, markers: Markers): void {
  const field = /^(?:(\w+)\s+)?([*\w.[\]]+(?:\s*\[\])?[*\w.[\]]*)\s*(?:`([^`]*)`)?\s*(?:\/\/.*)?$/.exec(line);
  if (!field) return;
  const embedded = field[1] === undefined;
  const goType = field[2]!;
  type.fields.push({
    name: field[1] ?? goType.replace(/^\*/, '').replace(/^.*\./, ''),
    type: goType,
    tags: readTags(field[3] ?? ''),
    markers: embedded ? [...markers, ['embedded', '']] : markers,
  });
}

function readTags(text: string): Map<string, string> {
  const tags = new Map<string, string>();
  for (const [, key, value] of text.matchAll(/([\w-]+):"([^"]*)"/g)) tags.set(key!, value!);
  return tags;
}

function readImports(text: string): Map<string, string> {
  const imports = new Map<string, string>();
  const block = /^import\s*\(([\s\S]*?)\n\)/m.exec(text)?.[1] ?? '';
  const single = [...text.matchAll(/^import\s+(.*)$/gm)].map((match) => match[1]!).join('\n');
  for (const [, alias, path] of `${block}\n${single}`.matchAll(/^\s*(?:(\w+)\s+)?"([^"]+)"/gm)) {
    imports.set(alias ?? path!.split('/').at(-1)!, path!);
  }
  return imports;
}
