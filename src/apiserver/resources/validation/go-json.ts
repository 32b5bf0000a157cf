const NAMES: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  boolean: 'bool',
};

/**
 * What Go's decoder says of a text that is to be a JSON object; undefined where it is one. `type` is the
 * name of what it is decoded into. Mirrors the messages of encoding/json.
 */
export function goJsonProblem(text: string, type = 'map[string]interface {}'): string | undefined {
  const syntax = goSyntaxProblem(text);
  if (syntax !== undefined) return syntax;
  const value: unknown = JSON.parse(text);
  if (value === null || (typeof value === 'object' && !Array.isArray(value))) return undefined;
  const found = Array.isArray(value) ? 'array' : (NAMES[typeof value] ?? 'value');
  return `json: cannot unmarshal ${found} into Go value of type ${type}`;
}

/** As goJsonProblem, of the text alone. */
export function goSyntaxProblem(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch {
    return new Scanner(text).problem();
  }
}

const END = 'unexpected end of JSON input';

/** Finds the first character that does not fit, and what was expected in its place. */
class Scanner {
  readonly #text: string;
  #at = 0;
  #problem: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  problem(): string {
    this.#space();
    this.#value('looking for beginning of value');
    this.#space();
    if (this.#problem === undefined && this.#at < this.#text.length) this.#fail('after top-level value');
    return this.#problem ?? END;
  }

  #fail(where: string): void {
    const char = this.#text[this.#at];
    this.#problem ??= char === undefined ? END : `invalid character ${goChar(char)} ${where}`;
  }

  #space(): void {
    while (' \t\r\n'.includes(this.#text[this.#at] ?? 'x')) this.#at += 1;
  }

  #value(expected: string): void {
    const char = this.#text[this.#at];
    if (char === '{') this.#object();
    else if (char === '[') this.#array();
    else if (char === '"') this.#string();
    else if (char !== undefined && /[-0-9]/.test(char)) this.#number();
    else if (char === 't') this.#literal('true');
    else if (char === 'f') this.#literal('false');
    else if (char === 'n') this.#literal('null');
    else this.#fail(expected);
  }

  #literal(word: string): void {
    for (let index = 0; index < word.length; index += 1) {
      if (this.#text[this.#at] !== word[index]) {
        this.#fail(`in literal ${word} (expecting ${goChar(word[index] ?? '')})`);
        return;
      }
      this.#at += 1;
    }
  }

  #number(): void {
    const digits = (): boolean => {
      const from = this.#at;
      while (/[0-9]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
      return this.#at > from;
    };
    if (this.#text[this.#at] === '-') this.#at += 1;
    if (this.#text[this.#at] === '0') this.#at += 1;
    else if (!digits()) return this.#fail('in numeric literal');
    if (this.#text[this.#at] === '.') {
      this.#at += 1;
      if (!digits()) return this.#fail('after decimal point in numeric literal');
    }
    if (!/[eE]/.test(this.#text[this.#at] ?? '')) return;
    this.#at += 1;
    if (/[-+]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
    if (!digits()) this.#fail('in exponent of numeric literal');
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const char = this.#text[this.#at];
      if (char === '"') {
        this.#at += 1;
        return;
      }
      if (char === undefined || char < ' ') return this.#fail('in string literal');
      this.#at += 1;
      if (char !== '\\') continue;
      if (!/["\\/bfnrtu]/.test(this.#text[this.#at] ?? '')) return this.#fail('in string escape code');
      this.#at += 1;
    }
  }

  #array(): void {
    this.#at += 1;
    this.#space();
    if (this.#text[this.#at] === ']') {
      this.#at += 1;
      return;
    }
    while (this.#problem === undefined) {
      this.#value('looking for beginning of value');
      this.#space();
      if (this.#problem !== undefined) return;
      const char = this.#text[this.#at];
      if (char !== ',' && char !== ']') return this.#fail('after array element');
      this.#at += 1;
      if (char === ']') return;
      this.#space();
    }
  }

  #object(): void {
    this.#at += 1;
    this.#space();
    if (this.#text[this.#at] === '}') {
      this.#at += 1;
      return;
    }
    while (this.#problem === undefined) {
      if (this.#text[this.#at] !== '"') return this.#fail('looking for beginning of object key string');
      this.#string();
      this.#space();
      if (this.#problem !== undefined) return;
      if (this.#text[this.#at] !== ':') return this.#fail('after object key');
      this.#at += 1;
      this.#space();
      this.#value('looking for beginning of value');
      this.#space();
      if (this.#problem !== undefined) return;
      const char = this.#text[this.#at];
      if (char !== ',' && char !== '}') return this.#fail('after object key:value pair');
      this.#at += 1;
      if (char === '}') return;
      this.#space();
    }
  }
}

/** A character as Go quotes it. */
function goChar(char: string): string {
  if (char === "'") return "'\\''";
  if (char === '"') return "'\"'";
  const quoted = JSON.stringify(char).slice(1, -1);
  return `'${quoted}'`;
}
