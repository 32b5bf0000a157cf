import type { Token } from './lexer.ts';
import { Uint } from './values.ts';
import type { Value } from './values.ts';

const MIN_INT = -(2n ** 63n);
const MAX_INT = 2n ** 63n - 1n;
const MAX_UINT = 2n ** 64n - 1n;

/** What a literal means, with the minus before it. */
export function literalValue(
  { type, text }: Token,
  isNegative: boolean,
): { readonly value: Value } | { readonly problem: string } {
  if (type === 'int') {
    const value = isNegative ? -BigInt(text) : BigInt(text);
    return value < MIN_INT || value > MAX_INT ? { problem: 'invalid int literal' } : { value };
  }
  if (type === 'uint') {
    const value = BigInt(text.slice(0, -1));
    return value > MAX_UINT ? { problem: 'invalid uint literal' } : { value: new Uint(value) };
  }
  if (type === 'float') {
    const value = Number(`${isNegative ? '-' : ''}${text}`);
    return Number.isFinite(value) ? { value } : { problem: 'invalid double literal' };
  }
  const value = type === 'string' ? unescapeString(text) : unescapeBytes(text);
  return value === undefined ? { problem: 'unable to unescape string' } : { value };
}

const SIMPLE: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

const ESCAPES = /\\(?:([xX])([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7][0-7])|([^]))/g;

/** What a string literal means; undefined where an escape names no character. Mirrors cel-go parser/unescape.go. */
function unescapeString(text: string): string | undefined {
  const { body, isRaw } = strip(text.replaceAll(/\r\n?/g, '\n'));
  if (isRaw || !body.includes('\\')) return body;
  let isValid = true;
  const result = body.replaceAll(
    ESCAPES,
    (_, _x: string, hex?: string, four?: string, eight?: string, octal?: string, other?: string) => {
      if (other !== undefined) return SIMPLE[other] ?? other;
      const code =
        octal === undefined ? Number.parseInt(hex ?? four ?? eight ?? '', 16) : Number.parseInt(octal, 8);
      if (code > 0x10_ff_ff || (code >= 0xd8_00 && code <= 0xdf_ff)) isValid = false;
      return isValid ? String.fromCodePoint(code) : '';
    },
  );
  return isValid ? result : undefined;
}

/** As `unescapeString`, where \x and octal escapes are bytes and \u none at all. */
function unescapeBytes(text: string): Uint8Array | undefined {
  const { body, isRaw } = strip(text.slice(/^[bB]/.test(text) ? 1 : 0).replace(/^([rR])[bB]/, '$1'));
  const normal = body.replaceAll(/\r\n?/g, '\n');
  if (isRaw) return Buffer.from(normal);
  const parts: Buffer[] = [];
  let at = 0;
  for (const found of normal.matchAll(ESCAPES)) {
    parts.push(Buffer.from(normal.slice(at, found.index)));
    const [whole, , hex, four, eight, octal, other] = found;
    if (four !== undefined || eight !== undefined) return undefined;
    if (other === undefined) {
      parts.push(
        Buffer.from([octal === undefined ? Number.parseInt(hex ?? '', 16) : Number.parseInt(octal, 8)]),
      );
    } else parts.push(Buffer.from(SIMPLE[other] ?? other));
    at = found.index + whole.length;
  }
  parts.push(Buffer.from(normal.slice(at)));
  return Buffer.concat(parts);
}

function strip(text: string): { body: string; isRaw: boolean } {
  const isRaw = /^[rR]/.test(text);
  const quoted = isRaw ? text.slice(1) : text;
  const quotes = /^(?:"""|''')/.test(quoted) ? 3 : 1;
  return { body: quoted.slice(quotes, -quotes), isRaw };
}
