import type { CallExpr, Expr, ListExpr, MapEntry, StructField } from './ast.ts';
import type { Issue } from './issues.ts';
import type { Token } from './lexer.ts';
import { literalValue } from './literals.ts';
import { expandMacro } from './macros.ts';
import type { MacroSet } from './macros.ts';
import { PRODUCTS, RELATIONS, RESERVED, SUMS } from './syntax.ts';
import { ENTRY_STARTS, STARTS, SyntaxFailure, TokenStream } from './token-stream.ts';

const MAX_CODE_POINTS = 100_000;

/** Parses an expression and expands its macros. With issues there is no tree to use. */
export function parse(source: string, macros: MacroSet): { expr: Expr | undefined; issues: Issue[] } {
  const size = source.length > MAX_CODE_POINTS ? Array.from(source).length : source.length;
  if (size > MAX_CODE_POINTS) {
    const message = `expression code point size exceeds limit: size: ${size}, limit ${MAX_CODE_POINTS}`;
    return { expr: undefined, issues: [{ offset: -1, message }] };
  }
  return new Parser(source, macros).parse();
}

class Parser extends TokenStream {
  readonly #macros: MacroSet;
  #lastId = 0;

  constructor(source: string, macros: MacroSet) {
    super(source);
    this.#macros = macros;
  }

  parse(): { expr: Expr | undefined; issues: Issue[] } {
    try {
      const expr = this.#expr();
      this.expectEnd();
      return { expr: this.issues.length === 0 ? expr : undefined, issues: this.issues };
    } catch (error) {
      if (!(error instanceof SyntaxFailure)) throw error;
      return { expr: undefined, issues: this.issues };
    }
  }

  #id(): number {
    return ++this.#lastId;
  }

  #call(name: string, offset: number, args: Expr[], target?: Expr): CallExpr {
    return { kind: 'call', id: this.#id(), offset, name, target, args };
  }

  #expr(): Expr {
    this.deeper();
    const condition = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()));
    const question = this.accept('?');
    let result = condition;
    if (question) {
      const id = this.#id();
      const yes = this.#logical('||', '_||_', () => this.#logical('&&', '_&&_', () => this.#relation()));
      this.close(':');
      const args = [condition, yes, this.#expr()];
      result = { kind: 'call', id, offset: question.offset, name: '_?_:_', target: undefined, args };
    }
    this.shallower();
    return result;
  }

  /** Chains of && and || become balanced trees, so that long ones are not deep. */
  #logical(operator: string, name: string, operand: () => Expr): Expr {
    const terms = [operand()];
    const operators: Token[] = [];
    for (;;) {
      const token = this.accept(operator);
      if (!token) break;
      operators.push(token);
      terms.push(operand());
    }
    const tree = (low: number, high: number): Expr => {
      const middle = Math.floor((low + high + 1) / 2);
      const left = middle === low ? terms[middle] : tree(low, middle - 1);
      const right = middle === high ? terms[middle + 1] : tree(middle + 1, high);
      return this.#call(name, operators[middle]?.offset ?? 0, [left, right] as Expr[]);
    };
    return operators.length === 0 ? (terms[0] as Expr) : tree(0, operators.length - 1);
  }

  #relation(): Expr {
    return this.#binary(RELATIONS, () =>
      this.#binary(SUMS, () => this.#binary(PRODUCTS, () => this.#unary())),
    );
  }

  #binary(operators: ReadonlyMap<string, string>, operand: () => Expr): Expr {
    let left = operand();
    let depth = 0;
    for (;;) {
      const token = this.token;
      const isOperator = token.type === 'operator' || token.text === 'in';
      const name = isOperator ? operators.get(token.text) : undefined;
      if (name === undefined) break;
      this.skip();
      this.deeper();
      depth += 1;
      const id = this.#id();
      const args = [left, operand()];
      left = { kind: 'call', id, offset: token.offset, name, target: undefined, args };
    }
    this.shallower(depth);
    return left;
  }

  #unary(): Expr {
    const first = this.token;
    if (!this.is('!') && !this.is('-')) return this.#member();
    let count = 0;
    while (this.accept(first.text)) count += 1;
    const isNumber = this.token.type === 'int' || this.token.type === 'float';
    if (first.text === '-' && count === 1 && isNumber) return this.#member(this.#literal(true, first.offset));
    const id = this.#id();
    const operand = this.#member();
    if (count % 2 === 0) return operand;
    const name = first.text === '!' ? '!_' : '-_';
    return { kind: 'call', id, offset: first.offset, name, target: undefined, args: [operand] };
  }

  #member(given?: Expr): Expr {
    let expr = given ?? this.#primary();
    let depth = 0;
    for (;;) {
      const dot = this.accept('.');
      const bracket = dot ? undefined : this.accept('[');
      if (!dot && !bracket) break;
      this.deeper();
      depth += 1;
      expr = dot ? this.#selection(expr, dot) : this.#index(expr, bracket as Token);
    }
    this.shallower(depth);
    return expr;
  }

  #selection(operand: Expr, dot: Token): Expr {
    const optional = this.accept('?');
    const name = this.token;
    const isName =
      (name.type === 'ident' && !['in', 'true', 'false', 'null'].includes(name.text)) ||
      name.type === 'escaped ident';
    if (!isName) {
      this.fail(
        name.offset,
        `Syntax error: no viable alternative at input '.${name.text === '<EOF>' ? '' : name.text}'`,
      );
    }
    this.skip();
    const field = name.type === 'ident' ? name.text : name.text.slice(1, -1);
    if (name.type === 'escaped ident') {
      this.issue(name.offset, "unsupported syntax: '`'");
    }
    if (optional) {
      if (!this.#macros.optionals) this.issue(dot.offset, "unsupported syntax '.?'");
      const literal: Expr = { kind: 'literal', id: this.#id(), offset: name.offset, value: field };
      return this.#call('_?._', dot.offset, [operand, literal]);
    }
    const open = this.accept('(');
    if (open) return this.#called(field, open, operand);
    return { kind: 'select', id: this.#id(), offset: dot.offset, operand, field, testOnly: false };
  }

  #index(operand: Expr, bracket: Token): Expr {
    const id = this.#id();
    const optional = this.accept('?');
    if (optional && !this.#macros.optionals) this.issue(bracket.offset, "unsupported syntax '[?'");
    const index = this.#expr();
    this.close(']');
    const name = optional ? '_[?_]' : '_[_]';
    return { kind: 'call', id, offset: bracket.offset, name, target: undefined, args: [operand, index] };
  }

  /** A call whose parenthesis is open: perhaps that of a macro. */
  #called(name: string, open: Token, target: Expr | undefined): Expr {
    const id = this.#id();
    const args: Expr[] = [];
    if (!this.is(')')) {
      do args.push(this.#expr());
      while (this.accept(','));
    }
    this.close(')');
    const factory = { id: () => this.#id(), offset: open.offset };
    const expanded = expandMacro(this.#macros, factory, name, target, args);
    if (expanded && 'problem' in expanded) {
      this.issue(expanded.offset, expanded.problem);
      return { kind: 'literal', id, offset: open.offset, value: null };
    }
    return expanded ?? { kind: 'call', id, offset: open.offset, name, target, args };
  }

  #primary(): Expr {
    const { type, offset, text } = this.token;
    if (['int', 'uint', 'float', 'string', 'bytes'].includes(type)) return this.#literal(false, offset);
    if (text === 'true' || text === 'false' || text === 'null') {
      this.skip();
      const value = text === 'null' ? null : text === 'true';
      return { kind: 'literal', id: this.#id(), offset, value };
    }
    if (this.accept('(')) {
      const expr = this.#expr();
      this.close(')');
      return expr;
    }
    const bracket = this.accept('[');
    if (bracket) return this.#list(bracket);
    const brace = this.accept('{');
    if (brace) return this.#map(brace);
    if ((type === 'ident' && text !== 'in') || this.is('.')) return this.#name();
    return this.#unexpected();
  }

  /** A token that begins no expression: ANTLR leaves it out where that helps. */
  #unexpected(): Expr {
    const { offset, text, type } = this.token;
    const next = this.next;
    const helps =
      next &&
      (/^[[{(.!-]$/.test(next.text) ||
        (next.type !== 'operator' && next.type !== 'end' && next.text !== 'in'));
    if (type !== 'end' && next?.type === 'end') {
      this.issue(offset, `Syntax error: mismatched input '${text}' expecting {${STARTS}}`);
      this.skip();
    }
    if (this.token.type === 'end' || !helps) this.mismatch(`{${STARTS}}`);
    this.issue(offset, `Syntax error: extraneous input '${text}' expecting {${STARTS}}`);
    this.skip();
    return this.#unary();
  }

  #literal(isNegative: boolean, offset: number): Expr {
    const found = literalValue(this.token, isNegative);
    this.skip();
    if ('problem' in found) this.issue(offset, found.problem);
    return { kind: 'literal', id: this.#id(), offset, value: 'problem' in found ? null : found.value };
  }

  /** An identifier, a call, or a message: `a`, `a(…)`, `a.b.C{…}`. */
  #name(): Expr {
    const start = this.token;
    const dot = this.accept('.') ? '.' : '';
    const token = this.token;
    if (token.type !== 'ident' || ['in', 'true', 'false', 'null'].includes(token.text)) {
      this.fail(
        token.offset,
        `Syntax error: no viable alternative at input '${dot}${token.text === '<EOF>' ? '' : token.text}'`,
      );
    }
    this.skip();
    const name = `${dot}${token.text}`;
    const message = this.messageName(name);
    if (message) return this.#struct(message.name, message.brace);
    const open = this.accept('(');
    if (open) {
      return this.#called(name, open, undefined);
    }
    if (RESERVED.has(token.text)) this.issue(start.offset, `reserved identifier: ${token.text}`);
    return { kind: 'ident', id: this.#id(), offset: start.offset, name };
  }

  #list(bracket: Token): Expr {
    const id = this.#id();
    const elements: Expr[] = [];
    const optional = new Set<number>();
    while (!this.is(']')) {
      if (this.#isOptional()) optional.add(elements.length);
      elements.push(this.#expr());
      if (!this.accept(',')) break;
    }
    this.close(']', "{']', ','}");
    return { kind: 'list', id, offset: bracket.offset, elements, optional } satisfies ListExpr;
  }

  #isOptional(): boolean {
    const question = this.accept('?');
    if (question && !this.#macros.optionals) this.issue(question.offset, "unsupported syntax '?'");
    return question !== undefined;
  }

  #map(brace: Token): Expr {
    const id = this.#id();
    const entries: MapEntry[] = [];
    while (!this.is('}')) {
      if (this.token.type === 'end' && entries.length === 0) this.mismatch(`{${ENTRY_STARTS}}`);
      const optional = this.#isOptional();
      const entryId = this.#id();
      const key = this.#expr();
      const { offset } = this.token;
      if (!this.accept(':')) this.mismatch("':'");
      entries.push({ id: entryId, offset, key, value: this.#expr(), optional });
      if (!this.accept(',')) break;
    }
    this.close('}', "{'}', ','}");
    return { kind: 'map', id, offset: brace.offset, entries };
  }

  #struct(typeName: string, brace: Token): Expr {
    const id = this.#id();
    const fields: StructField[] = [];
    while (!this.is('}')) {
      const optional = this.#isOptional();
      const { type, text } = this.token;
      if (type !== 'ident' && type !== 'escaped ident')
        this.mismatch("{'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER}");
      this.skip();
      const fieldId = this.#id();
      const { offset } = this.token;
      if (!this.accept(':')) this.mismatch("':'");
      const name = type === 'ident' ? text : text.slice(1, -1);
      fields.push({ id: fieldId, offset, name, value: this.#expr(), optional });
      if (!this.accept(',')) break;
    }
    this.close('}', "{'}', ','}");
    return { kind: 'struct', id, offset: brace.offset, typeName, fields };
  }
}
