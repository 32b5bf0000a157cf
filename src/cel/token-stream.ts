import type { Issue } from './issues.ts';
import { lex } from './lexer.ts';
import type { Token } from './lexer.ts';

/** As deep as cel-go's parser goes. */
const MAX_DEPTH = 250;

/** What ANTLR lists where an expression should begin; tools show these texts to people. */
export const STARTS = [
  "'['",
  "'{'",
  "'('",
  "'.'",
  "'-'",
  "'!'",
  "'true'",
  "'false'",
  "'null'",
  'NUM_FLOAT',
  'NUM_INT',
  'NUM_UINT',
  'STRING',
  'BYTES',
  'IDENTIFIER',
].join(', ');
export const ENTRY_STARTS = STARTS.replace("'{', ", "'{', '}', ")
  .replace("'.', ", "'.', ',', ")
  .replace("'!', ", "'!', '?', ");

/** Ends the parsing: what is wrong is in the issues. */
export class SyntaxFailure extends Error {}

/** The tokens of an expression, and what a parser says when others were to be expected. */
export class TokenStream {
  readonly issues: Issue[];
  readonly #tokens: readonly Token[];
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    const { tokens, issues } = lex(source);
    this.#tokens = tokens;
    this.issues = issues;
  }

  get token(): Token {
    return this.#tokens[this.#at] ?? { type: 'end', text: '<EOF>', offset: 0 };
  }

  get next(): Token | undefined {
    return this.#tokens[this.#at + 1];
  }

  is(text: string): boolean {
    const { type } = this.token;
    return this.token.text === text && (type === 'operator' || type === 'ident');
  }

  /** Takes the token if it is this one. */
  accept(text: string): Token | undefined {
    if (!this.is(text)) return undefined;
    return this.#tokens[this.#at++];
  }

  issue(offset: number, message: string): void {
    this.issues.push({ offset, message });
  }

  fail(offset: number, message: string): never {
    this.issue(offset, message);
    throw new SyntaxFailure(message);
  }

  mismatch(expecting: string): never {
    const { offset, text } = this.token;
    return this.fail(offset, `Syntax error: mismatched input '${text}' expecting ${expecting}`);
  }

  expectEnd(): void {
    if (this.token.type === 'end') return;
    const { offset, text } = this.token;
    const kind = this.next?.type === 'end' ? 'extraneous' : 'mismatched';
    this.fail(offset, `Syntax error: ${kind} input '${text}' expecting <EOF>`);
  }

  /** A bracket that closes; with `others` more could have stood here. */
  close(text: string, others = ''): void {
    if (this.accept(text)) return;
    const { offset, text: found } = this.token;
    if (this.next?.text === text && this.token.type !== 'end') {
      this.issue(offset, `Syntax error: extraneous input '${found}' expecting '${text}'`);
      this.#at += 2;
      return;
    }
    if (others !== '') this.mismatch(others);
    if (this.token.type === 'end') this.fail(offset, `Syntax error: missing '${text}' at '<EOF>'`);
    this.mismatch(`'${text}'`);
  }

  deeper(by = 1): void {
    this.#depth += by;
    if (this.#depth > MAX_DEPTH) this.fail(-1, `expression recursion limit exceeded: ${MAX_DEPTH}`);
  }

  /** Takes back what `deeper` added. */
  shallower(by = 1): void {
    this.#depth -= by;
  }

  /** Goes over a token. */
  skip(count = 1): void {
    this.#at += count;
  }

  /** A token ahead. */
  ahead(count: number): Token | undefined {
    return this.#tokens[this.#at + count];
  }

  /** Looks ahead for `.b.C{`, and takes it only when the brace is there. */
  messageName(first: string): { name: string; brace: Token } | undefined {
    let count = 0;
    let name = first;
    while (this.ahead(count)?.text === '.' && this.ahead(count + 1)?.type === 'ident') {
      name += `.${this.ahead(count + 1)?.text}`;
      count += 2;
    }
    const brace = this.ahead(count);
    if (brace?.type !== 'operator' || brace.text !== '{') return undefined;
    this.skip(count + 1);
    return { name, brace };
  }
}
