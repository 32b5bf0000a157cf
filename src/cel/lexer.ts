import type { Issue } from './issues.ts';

export type TokenType =
  | 'int'
  | 'uint'
  | 'float'
  | 'string'
  | 'bytes'
  | 'ident'
  | 'escaped ident'
  | 'operator'
  | 'end';

export interface Token {
  readonly type: TokenType;
  /** As written. */
  readonly text: string;
  /** In code points. */
  readonly offset: number;
}

/** Longest first. */
const OPERATORS = [
  '==',
  '!=',
  '<=',
  '>=',
  '&&',
  '||',
  '<',
  '>',
  '[',
  ']',
  '{',
  '}',
  '(',
  ')',
  '.',
  ',',
  '-',
  '!',
  '?',
  ':',
  '+',
  '*',
  '/',
  '%',
];

const SPACE = /[\t \r\n\f]+|\/\/[^\n]*/y;
const ESCAPE =
  String.raw`\\(?:[abfnrtv"'\\?` +
  '`' +
  String.raw`]|[0-3][0-7][0-7]|[xX][0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})`;
const RULES: ReadonlyArray<readonly [TokenType, RegExp]> = [
  ['float', /[0-9]+\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+|\.[0-9]+(?:[eE][+-]?[0-9]+)?/y],
  ['uint', /(?:0x[0-9a-fA-F]+|[0-9]+)[uU]/y],
  ['int', /0x[0-9a-fA-F]+|[0-9]+/y],
  ['string', quoted('')],
  ['bytes', quoted('[bB]')],
  ['ident', /[A-Za-z_][A-Za-z0-9_]*/y],
  ['escaped ident', /`[A-Za-z0-9_.\-/ ]+`/y],
];

/** Every kind of string: raw or not, in three or one, of either quote. */
function quoted(prefix: string): RegExp {
  const kinds = ['"', "'"].flatMap((quote) => {
    const three = quote.repeat(3);
    return [
      `${prefix}[rR]${three}[^]*?${three}`,
      `${prefix}${three}(?:${ESCAPE}|[^\\\\])*?${three}`,
      `${prefix}[rR]${quote}[^${quote}\\n\\r]*${quote}`,
      `${prefix}${quote}(?:${ESCAPE}|[^\\\\${quote}\\n\\r])*${quote}`,
    ];
  });
  const bytesToo =
    prefix === '' ? kinds : [...kinds, ...kinds.map((kind) => kind.replace('[bB][rR]', '[rR][bB]'))];
  return new RegExp(bytesToo.join('|'), 'y');
}

/** The parts of an expression; what belongs to none is left out and told in `issues`. */
export function lex(source: string): { tokens: Token[]; issues: Issue[] } {
  const tokens: Token[] = [];
  const issues: Issue[] = [];
  const offsets = codePointOffsets(source);
  let at = 0;
  while (at < source.length) {
    const space = match(SPACE, source, at);
    if (space !== undefined) {
      at += space.length;
      continue;
    }
    const token = tokenAt(source, at);
    if (token) {
      tokens.push({ type: token[0], text: token[1], offset: offsets(at) });
      at += token[1].length;
      continue;
    }
    const length = unknownLength(source, at);
    const text = source.slice(at, at + length);
    issues.push({ offset: offsets(at), message: `Syntax error: token recognition error at: '${text}'` });
    at += length;
  }
  tokens.push({ type: 'end', text: '<EOF>', offset: offsets(source.length) });
  return { tokens, issues };
}

function tokenAt(source: string, at: number): readonly [TokenType, string] | undefined {
  for (const [type, rule] of RULES) {
    const text = match(rule, source, at);
    if (text === undefined) continue;
    // 'b' and 'r' may begin a string; then the longer one is meant, which the order of the rules gives.
    return [type, text];
  }
  const operator = OPERATORS.find((each) => source.startsWith(each, at));
  return operator === undefined ? undefined : ['operator', operator];
}

function match(rule: RegExp, source: string, at: number): string | undefined {
  rule.lastIndex = at;
  return rule.exec(source)?.[0];
}

/** How much a lexer has read before it knew that this is nothing: an open string takes all that could be in it. */
function unknownLength(source: string, at: number): number {
  const char = source[at] ?? '';
  if (char === '"' || char === "'") return openStringLength(source, at, char);
  // An operator of two characters of which only the first is there.
  if ('|&='.includes(char)) return Math.min(2, source.length - at);
  return (source.codePointAt(at) ?? 0) > 0xff_ff ? 2 : 1;
}

function openStringLength(source: string, at: number, quote: string): number {
  const inside = new RegExp(`(?:${ESCAPE}|[^\\\\${quote}\\n\\r])*`, 'y');
  const length = 1 + (match(inside, source, at + 1)?.length ?? 0);
  // The lexer has also seen the character that made it fail.
  const rest = source.slice(at + length);
  const broken =
    /^\\(?:[xX][0-9a-fA-F]?|u[0-9a-fA-F]{0,3}|U[0-9a-fA-F]{0,7}|[0-3][0-7]?)?/.exec(rest)?.[0] ?? '';
  const seen = length + broken.length;
  return Math.min(source.length - at, source[at + seen] === undefined ? seen : seen + 1);
}

/** From an index in UTF-16 to one in code points. */
function codePointOffsets(source: string): (index: number) => number {
  if (!/[\ud800-\udfff]/.test(source)) return (index) => index;
  return (index) => Array.from(source.slice(0, index)).length;
}
