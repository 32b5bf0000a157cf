import { setKey, type JsonObject } from '../objects.ts';
import { JsonError } from './errors.ts';
import { MAX_DEPTH } from './scan.ts';

/** A number written with a fraction or exponent whose value is whole: 1.0 is no integer to Go. */
export class NumberLiteral {
  readonly text: string;
  readonly value: number;

  constructor(text: string) {
    this.text = text;
    this.value = Number(text);
  }
}

export interface ExactResult {
  readonly value: unknown;
  /** Keys that were there more than once, by the object that holds them. */
  readonly duplicates: ReadonlyMap<object, ReadonlySet<string>>;
}

/**
 * Parses JSON slowly and exactly: integers beyond 2^53 as bigint, duplicate keys recorded (the last one wins,
 * as in Go). With `keepLiterals`, whole numbers written as 1.0 or 1e3 come as NumberLiteral.
 */
export function parseExact(text: string, keepLiterals = false): ExactResult {
  const parser = new ExactParser(text, keepLiterals);
  return { value: parser.parse(), duplicates: parser.duplicates };
}

class ExactParser {
  readonly duplicates = new Map<object, Set<string>>();
  readonly #text: string;
  readonly #keepLiterals: boolean;
  #at = 0;

  constructor(text: string, keepLiterals: boolean) {
    this.#text = text;
    this.#keepLiterals = keepLiterals;
  }

  parse(): unknown {
    const value = this.#value(0, 'looking for beginning of value');
    this.#space();
    if (this.#at < this.#text.length) this.#fail('after top-level value');
    return value;
  }

  #fail(context: string): never {
    if (this.#at >= this.#text.length) throw new JsonError('unexpected end of JSON input');
    throw new JsonError(`invalid character ${quoteCharacter(this.#text, this.#at)} ${context}`);
  }

  #space(): void {
    const text = this.#text;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
    }
  }

  #value(depth: number, context: string): unknown {
    if (depth > MAX_DEPTH) throw new JsonError('exceeded max depth');
    this.#space();
    const character = this.#text[this.#at];
    if (character === '{') return this.#object(depth);
    if (character === '[') return this.#array(depth);
    if (character === '"') return this.#string();
    if (character === 't') return this.#word('true', true);
    if (character === 'f') return this.#word('false', false);
    if (character === 'n') return this.#word('null', null);
    if (character !== undefined && (character === '-' || (character >= '0' && character <= '9')))
      return this.#number();
    return this.#fail(context);
  }

  #word(word: string, value: unknown): unknown {
    for (let index = 1; index < word.length; index++) {
      this.#at++;
      if (this.#text[this.#at] !== word[index]) this.#fail(`in literal ${word} (expecting '${word[index]}')`);
    }
    this.#at++;
    return value;
  }

  #object(depth: number): JsonObject {
    const object: JsonObject = {};
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return object;
    }
    let context = 'looking for beginning of object key string';
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') this.#fail(context);
      const key = this.#string();
      this.#space();
      if (this.#text[this.#at] !== ':') this.#fail('after object key');
      this.#at++;
      const value = this.#value(depth + 1, 'looking for beginning of value');
      if (Object.hasOwn(object, key)) this.#duplicate(object, key);
      setKey(object, key, value);
      this.#space();
      const next = this.#text[this.#at];
      if (next === '}') {
        this.#at++;
        return object;
      }
      if (next !== ',') this.#fail('after object key:value pair');
      this.#at++;
      context = 'looking for beginning of object key string';
    }
  }

  #duplicate(object: object, key: string): void {
    const keys = this.duplicates.get(object);
    if (keys) keys.add(key);
    else this.duplicates.set(object, new Set([key]));
  }

  #array(depth: number): unknown[] {
    const items: unknown[] = [];
    this.#at++;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.#value(depth + 1, 'looking for beginning of value'));
      this.#space();
      const next = this.#text[this.#at];
      if (next === ']') {
        this.#at++;
        return items;
      }
      if (next !== ',') this.#fail('after array element');
      this.#at++;
    }
  }

  #string(): string {
    const text = this.#text;
    const start = this.#at++;
    for (; this.#at < text.length; this.#at++) {
      const code = text.charCodeAt(this.#at);
      if (code === 0x22) {
        this.#at++;
        return this.#unquote(text.slice(start, this.#at));
      }
      if (code === 0x5c) this.#at++;
      else if (code < 0x20) this.#fail('in string literal');
    }
    throw new JsonError('unexpected end of JSON input');
  }

  #unquote(literal: string): string {
    try {
      return JSON.parse(literal) as string;
    } catch {
      throw new JsonError(`invalid character in string escape code`);
    }
  }

  #number(): unknown {
    const form = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y;
    form.lastIndex = this.#at;
    const match = form.exec(this.#text);
    if (!match) {
      this.#at++;
      return this.#fail('in numeric literal');
    }
    this.#at += match[0].length;
    const literal = match[0];
    const number = Number(literal);
    const isInteger = match[1] === undefined && match[2] === undefined;
    if (isInteger) return Number.isSafeInteger(number) ? number : BigInt(literal);
    return this.#keepLiterals && Number.isInteger(number) ? new NumberLiteral(literal) : number;
  }
}

function quoteCharacter(text: string, at: number): string {
  const character = String.fromCodePoint(text.codePointAt(at)!);
  if (character === "'") return String.raw`'\''`;
  if (character === '"') return `'"'`;
  return `'${JSON.stringify(character).slice(1, -1)}'`;
}
