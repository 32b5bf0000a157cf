import { ACCUMULATOR } from './ast.ts';
import type { CallExpr, Expr } from './ast.ts';
import type { Value } from './values.ts';

/** Which syntax beyond the specification's an environment has. */
export interface MacroSet {
  /** `a.?b`, `a[?b]`, `[?a]`, optMap and optFlatMap. */
  readonly optionals: boolean;
  /** Quantifiers and transformations over index and value, or key and value. */
  readonly twoVariables: boolean;
  /** sortBy. */
  readonly lists?: boolean;
  /** cel.bind. */
  readonly bindings?: boolean;
}

/** Gives the nodes that a macro makes their identity; they all stand where the macro's parenthesis does. */
interface NodeFactory {
  id(): number;
  readonly offset: number;
}

interface Problem {
  readonly problem: string;
  readonly offset: number;
}

type Expansion = Expr | Problem;

class MacroProblem extends Error {
  readonly offset: number;

  constructor(message: string, at: Expr) {
    super(message);
    this.offset = at.offset;
  }
}

/** What a call is an abbreviation for; undefined for a real call. Mirrors cel-go parser/macro.go and ext/comprehensions.go. */
export function expandMacro(
  set: MacroSet,
  factory: NodeFactory,
  name: string,
  target: Expr | undefined,
  args: readonly Expr[],
): Expansion | undefined {
  try {
    const maker = new MacroMaker(factory);
    if (!target) return name === 'has' && args.length === 1 ? maker.has(args[0] as Expr) : undefined;
    if (set.optionals && args.length === 2 && (name === 'optMap' || name === 'optFlatMap')) {
      return maker.optional(name, target, args[0] as Expr, args[1] as Expr);
    }
    if (set.bindings && name === 'bind' && args.length === 3 && isCel(target)) {
      return maker.bind(args[0] as Expr, args[1] as Expr, args[2] as Expr);
    }
    if (set.lists && name === 'sortBy' && args.length === 2) return maker.sortBy(target, args);
    return (
      maker.oneVariable(name, target, args) ??
      (set.twoVariables ? maker.twoVariables(name, target, args) : undefined)
    );
  } catch (error) {
    if (!(error instanceof MacroProblem)) throw error;
    return { problem: error.message, offset: error.offset };
  }
}

interface Loop {
  readonly range: Expr;
  readonly vars: readonly string[];
  readonly init: Expr;
  readonly condition: Expr;
  readonly step: Expr;
  readonly result?: Expr;
}

function isCel(target: Expr): boolean {
  return target.kind === 'ident' && target.name === 'cel';
}

class MacroMaker {
  readonly #factory: NodeFactory;

  constructor(factory: NodeFactory) {
    this.#factory = factory;
  }

  #base(): { id: number; offset: number } {
    return { id: this.#factory.id(), offset: this.#factory.offset };
  }

  #literal(value: Value): Expr {
    return { kind: 'literal', ...this.#base(), value };
  }

  #ident(name: string): Expr {
    return { kind: 'ident', ...this.#base(), name };
  }

  #accu(): Expr {
    return this.#ident(ACCUMULATOR);
  }

  #call(name: string, ...args: Expr[]): CallExpr {
    return { kind: 'call', ...this.#base(), name, target: undefined, args };
  }

  #member(name: string, target: Expr, ...args: Expr[]): CallExpr {
    return { kind: 'call', ...this.#base(), name, target, args };
  }

  #list(...elements: Expr[]): Expr {
    return { kind: 'list', ...this.#base(), elements, optional: new Set() };
  }

  #loop({ range, vars, init, condition, step, result }: Loop): Expr {
    return {
      kind: 'comprehension',
      ...this.#base(),
      range,
      iterVar: vars[0] ?? '',
      iterVar2: vars[1],
      accuVar: ACCUMULATOR,
      accuInit: init,
      condition,
      step,
      result: result ?? this.#accu(),
    };
  }

  has(arg: Expr): Expr {
    if (arg.kind !== 'select') throw new MacroProblem('invalid argument to has() macro', arg);
    return { kind: 'select', ...this.#base(), operand: arg.operand, field: arg.field, testOnly: true };
  }

  optional(name: string, target: Expr, variable: Expr, mapping: Expr): Expr {
    if (variable.kind !== 'ident') {
      throw new MacroProblem(`${name}() variable name must be a simple identifier`, variable);
    }
    const value: Expr = {
      kind: 'comprehension',
      ...this.#base(),
      range: this.#list(),
      iterVar: '#unused',
      iterVar2: undefined,
      accuVar: variable.name,
      accuInit: this.#member('value', target),
      condition: this.#literal(false),
      step: this.#ident(variable.name),
      result: mapping,
    };
    const some = name === 'optMap' ? this.#call('optional.of', value) : value;
    return this.#call('_?_:_', this.#member('hasValue', target), some, this.#call('optional.none'));
  }

  /** A value gets a name: a loop that is never run. */
  bind(variable: Expr, value: Expr, result: Expr): Expr {
    if (variable.kind !== 'ident') {
      throw new MacroProblem('cel.bind() variable names must be simple identifiers', variable);
    }
    return {
      kind: 'comprehension',
      ...this.#base(),
      range: this.#list(),
      iterVar: '#unused',
      iterVar2: undefined,
      accuVar: variable.name,
      accuInit: value,
      condition: this.#literal(false),
      step: this.#ident(variable.name),
      result,
    };
  }

  /** The list gets a name, for it is read twice: to be sorted, and for what it is sorted by. */
  sortBy(target: Expr, args: readonly Expr[]): Expr {
    if (target.kind === 'literal' || target.kind === 'map' || target.kind === 'struct') {
      const problem =
        'sortBy can only be applied to a list, identifier, comprehension, call or select expression';
      throw new MacroProblem(problem, target);
    }
    const name = '@__sortBy_input__';
    const keys = this.oneVariable('map', this.#ident(name), args);
    return {
      kind: 'comprehension',
      ...this.#base(),
      range: this.#list(),
      iterVar: '#unused',
      iterVar2: undefined,
      accuVar: name,
      accuInit: target,
      condition: this.#literal(false),
      step: this.#ident(name),
      result: this.#member('@sortByAssociatedKeys', this.#ident(name), ...(keys ? [keys] : [])),
    };
  }

  oneVariable(name: string, range: Expr, args: readonly Expr[]): Expr | undefined {
    const [first, second, third] = args;
    if (!first || !second || args.length > 3) return undefined;
    if (args.length === 2) {
      const quantifier = this.#quantifier(name, second, () => [
        simpleName(first, 'argument must be a simple name'),
      ]);
      if (quantifier) return this.#loop({ range, ...quantifier });
      if (name === 'filter') {
        const vars = [simpleName(first, 'argument is not an identifier')];
        return this.#collect(range, vars, first, second);
      }
    }
    if (name !== 'map') return undefined;
    const vars = [simpleName(first, 'argument is not an identifier')];
    return third ? this.#collect(range, vars, third, second) : this.#collect(range, vars, second);
  }

  /** A list of `element` of every item that passes. */
  #collect(range: Expr, vars: string[], element: Expr, filter?: Expr): Expr {
    const init = this.#list();
    const condition = this.#literal(true);
    const added = this.#call('_+_', this.#accu(), this.#list(element));
    return this.#loop({ range, vars, init, condition, step: this.#filtered(added, filter) });
  }

  #filtered(step: Expr, filter: Expr | undefined): Expr {
    return filter ? this.#call('_?_:_', filter, step, this.#accu()) : step;
  }

  #quantifier(name: string, predicate: Expr, vars: () => string[]): Omit<Loop, 'range'> | undefined {
    switch (name) {
      case 'all':
        return {
          vars: vars(),
          init: this.#literal(true),
          condition: this.#call('@not_strictly_false', this.#accu()),
          step: this.#call('_&&_', this.#accu(), predicate),
        };
      case 'exists':
        return {
          vars: vars(),
          init: this.#literal(false),
          condition: this.#call('@not_strictly_false', this.#call('!_', this.#accu())),
          step: this.#call('_||_', this.#accu(), predicate),
        };
      case 'exists_one':
      case 'existsOne':
        return {
          vars: vars(),
          init: this.#literal(0n),
          condition: this.#literal(true),
          step: this.#filtered(this.#call('_+_', this.#accu(), this.#literal(1n)), predicate),
          result: this.#call('_==_', this.#accu(), this.#literal(1n)),
        };
      default:
        return undefined;
    }
  }

  twoVariables(name: string, range: Expr, args: readonly Expr[]): Expr | undefined {
    const [first, second, third, fourth] = args;
    if (!first || !second || !third || args.length > 4) return undefined;
    const vars = (): string[] => twoNames(first, second);
    if (args.length === 3) {
      const quantifier = this.#quantifier(name, third, vars);
      if (quantifier) return this.#loop({ range, ...quantifier });
    }
    const [transform, filter] = fourth ? [fourth, third] : [third, undefined];
    if (name === 'transformList') return this.#collect(range, vars(), transform, filter);
    if (name !== 'transformMap' && name !== 'transformMapEntry') return undefined;
    const names = vars();
    const inserted =
      name === 'transformMap'
        ? this.#call('cel.@mapInsert', this.#accu(), this.#ident(names[0] ?? ''), transform)
        : this.#call('cel.@mapInsert', this.#accu(), transform);
    const init: Expr = { kind: 'map', ...this.#base(), entries: [] };
    const condition = this.#literal(true);
    return this.#loop({ range, vars: names, init, condition, step: this.#filtered(inserted, filter) });
  }
}

function simpleName(expr: Expr, problem: string): string {
  if (expr.kind !== 'ident') throw new MacroProblem(problem, expr);
  if (expr.name === ACCUMULATOR || expr.name === '__result__') {
    throw new MacroProblem('iteration variable overwrites accumulator variable', expr);
  }
  return expr.name;
}

function twoNames(first: Expr, second: Expr): string[] {
  const names = [first, second].map((each) => simpleName(each, 'argument must be a simple name'));
  if (names[0] === names[1]) throw new MacroProblem(`duplicate variable name: ${names[0]}`, second);
  return names;
}
