export type Kind =
  | 'any'
  | 'bool'
  | 'bytes'
  | 'double'
  | 'duration'
  | 'dyn'
  | 'error'
  | 'int'
  | 'list'
  | 'map'
  | 'null'
  | 'opaque'
  | 'param'
  | 'string'
  | 'struct'
  | 'timestamp'
  | 'type'
  | 'uint';

/** A static type. Mirrors cel-go common/types/types.go. */
export interface Type {
  readonly kind: Kind;
  /** As it prints without its parameters. */
  readonly name: string;
  readonly params: readonly Type[];
}

function simple(kind: Kind, name: string = kind): Type {
  return { kind, name, params: [] };
}

export const ANY = simple('any');
export const BOOL = simple('bool');
export const BYTES = simple('bytes');
export const DOUBLE = simple('double');
export const DURATION = simple('duration', 'google.protobuf.Duration');
export const DYN = simple('dyn');
export const ERROR = simple('error', '*error*');
export const INT = simple('int');
export const NULL = simple('null', 'null_type');
export const STRING = simple('string');
export const TIMESTAMP = simple('timestamp', 'google.protobuf.Timestamp');
export const UINT = simple('uint');
/** The type of types, where it is not known of which. */
export const TYPE = simple('type');

export function listOf(element: Type): Type {
  return { kind: 'list', name: 'list', params: [element] };
}

export function mapOf(key: Type, value: Type): Type {
  return { kind: 'map', name: 'map', params: [key, value] };
}

export function optionalOf(value: Type): Type {
  return opaque('optional_type', [value]);
}

export function typeOf(type: Type): Type {
  return { kind: 'type', name: 'type', params: [type] };
}

export function opaque(name: string, params: readonly Type[] = []): Type {
  return { kind: 'opaque', name, params };
}

export function struct(name: string): Type {
  return simple('struct', name);
}

export function typeParam(name: string): Type {
  return simple('param', name);
}

export function sameType(a: Type, b: Type): boolean {
  return (
    a === b ||
    (a.kind === b.kind &&
      a.name === b.name &&
      a.params.length === b.params.length &&
      a.params.every((param, index) => sameType(param, b.params[index] as Type)))
  );
}

export function isDyn({ kind }: Type): boolean {
  return kind === 'dyn' || kind === 'any';
}

/** What is in an optional; undefined for any other type. */
export function unwrapOptional(type: Type): Type | undefined {
  return type.kind === 'opaque' && type.name === 'optional_type' ? type.params[0] : undefined;
}

/** As error messages show a type: `list(int)`, `timestamp`. */
export function formatType(type: Type): string {
  switch (type.kind) {
    case 'duration':
    case 'timestamp':
    case 'null':
      return type.kind;
    case 'error':
      return '!error!';
    default:
      return withParams(type, formatType);
  }
}

/** As Go prints a type: `google.protobuf.Timestamp`, where `formatType` says `timestamp`. */
export function typeText(type: Type): string {
  if (type.kind === 'any') return 'google.protobuf.Any';
  return withParams(type, typeText);
}

function withParams(type: Type, format: (type: Type) => string): string {
  return type.params.length === 0 ? type.name : `${type.name}(${type.params.map(format).join(', ')})`;
}

/** `string.(int, list(int))` or `(string)`. */
export function formatSignature(args: readonly Type[], isMember: boolean): string {
  const [target, ...rest] = args;
  const shown = (isMember ? rest : args).map(formatType).join(', ');
  return isMember && target ? `${formatType(target)}.(${shown})` : `(${shown})`;
}

/** Types that signatures may name; libraries add their own. */
const NAMED = new Map<string, Type>([
  ...[ANY, BOOL, BYTES, DOUBLE, DYN, INT, STRING, UINT, TYPE].map((type) => [type.name, type] as const),
  ['duration', DURATION],
  ['timestamp', TIMESTAMP],
  ['null', NULL],
]);

/** Lets signatures name a library's type. */
export function nameType(type: Type): Type {
  NAMED.set(type.name, type);
  return type;
}

/** Reads `map(string, list(A))`: one capital letter is a type parameter. */
export function readType(text: string): Type {
  const reader = new TypeReader(text);
  return reader.type();
}

class TypeReader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = text.match(/[\w.]+|[(),]/g) ?? [];
  }

  type(): Type {
    const name = this.#tokens[this.#at++] ?? '';
    const params: Type[] = [];
    if (this.#tokens[this.#at] === '(') {
      do {
        this.#at += 1;
        params.push(this.type());
      } while (this.#tokens[this.#at] === ',');
      this.#at += 1;
    }
    return build(name, params);
  }
}

function build(name: string, params: readonly Type[]): Type {
  if (/^[A-Z]$/.test(name)) return typeParam(name);
  if (name === 'list' || name === 'map') return { kind: name, name, params };
  if (name === 'type' && params.length > 0) return { kind: 'type', name, params };
  if (params.length > 0) return opaque(name, params);
  const named = NAMED.get(name);
  if (!named) throw new Error(`no type is called ${name}`);
  return named;
}
