import { ACCUMULATOR } from './ast.ts';
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, MapExpr, SelectExpr } from './ast.ts';
import type { Checked } from './checker.ts';
import { estimateCall } from './call-estimates.ts';
import type { CostNode } from './call-estimates.ts';
import { fixed, plus, times, union, UNBOUNDED, UNKNOWN, ZERO } from './estimate.ts';
import type { Estimate } from './estimate.ts';
import { DYN, unwrapOptional } from './types.ts';
import type { Type } from './types.ts';
import { codePoints } from './values.ts';

/**
 * How large a value may be, found by its path from a variable: names of fields, '@items', '@keys', '@values',
 * '@indices'. undefined where nothing bounds it.
 */
export type SizeEstimator = (path: readonly string[], type: Type) => Estimate | undefined;

/** What an expression may cost at least and at most. Mirrors cel-go checker/cost.go. */
export function estimateCost(checked: Checked, sizes: SizeEstimator): Estimate {
  return new Coster(checked, sizes).cost(checked.expr);
}

interface EntrySize {
  readonly isList: boolean;
  readonly key: Estimate;
  readonly value: Estimate;
}

interface LocalVariable {
  readonly path: readonly string[];
  readonly size: Estimate | undefined;
  readonly entrySize: EntrySize | undefined;
}

const SCALARS: ReadonlySet<string> = new Set(['bool', 'double', 'duration', 'int', 'timestamp', 'uint']);

class Coster {
  readonly #checked: Checked;
  readonly #sizes: SizeEstimator;
  readonly #paths = new Map<number, readonly string[]>();
  readonly #locals = new Map<string, LocalVariable[]>();
  readonly #computed = new Map<number, Estimate>();
  readonly #entries = new Map<number, EntrySize>();

  constructor(checked: Checked, sizes: SizeEstimator) {
    this.#checked = checked;
    this.#sizes = sizes;
  }

  #type(expr: Expr): Type {
    return this.#checked.types.get(expr.id) ?? DYN;
  }

  cost(expr: Expr): Estimate {
    switch (expr.kind) {
      case 'literal':
        return ZERO;
      case 'ident':
        return this.#name(expr, expr.name);
      case 'select':
        return this.#select(expr);
      case 'call':
        return this.#call(expr);
      case 'list':
        return this.#list(expr);
      case 'map':
        return this.#map(expr);
      case 'struct':
        return plus(fixed(40), ...expr.fields.map(({ value }) => this.cost(value)));
      default:
        return expr.accuVar === ACCUMULATOR ? this.#loop(expr) : this.#bind(expr);
    }
  }

  #name(expr: Expr, name: string): Estimate {
    this.#paths.set(expr.id, this.#local(name)?.path ?? [name]);
    return fixed(1);
  }

  #local(name: string): LocalVariable | undefined {
    return this.#locals.get(name)?.at(-1);
  }

  #select(expr: SelectExpr): Estimate {
    const reference = this.#checked.references.get(expr.id);
    if (reference?.kind === 'variable') return this.#name(expr, reference.name);
    const operand = this.cost(expr.operand);
    if (expr.testOnly) return operand;
    const { kind } = this.#type(expr.operand);
    this.#paths.set(expr.id, [...this.#path(expr.operand), expr.field]);
    return kind === 'map' || kind === 'struct' || kind === 'param' ? plus(operand, fixed(1)) : operand;
  }

  #path(expr: Expr): readonly string[] {
    if (expr.kind === 'ident') {
      const local = this.#local(expr.name);
      if (local) return local.path;
    }
    return this.#paths.get(expr.id) ?? [];
  }

  #list(expr: ListExpr): Estimate {
    const sizes = expr.elements.map((each) => [this.cost(each), this.#sizeOrUnknown(each)] as const);
    this.#entries.set(expr.id, {
      isList: true,
      key: fixed(1),
      value: unionOf(sizes.map(([, size]) => size)),
    });
    return plus(fixed(10), ...sizes.map(([cost]) => cost));
  }

  #map(expr: MapExpr): Estimate {
    const costs = expr.entries.map(({ key, value }) => plus(this.cost(key), this.cost(value)));
    this.#entries.set(expr.id, {
      isList: false,
      key: unionOf(expr.entries.map(({ key }) => this.#sizeOrUnknown(key))),
      value: unionOf(expr.entries.map(({ value }) => this.#sizeOrUnknown(value))),
    });
    return plus(fixed(30), ...costs);
  }

  #call(expr: CallExpr): Estimate {
    if (expr.name === 'dyn' && !expr.target) return this.#dyn(expr);
    const argCosts = expr.args.map((arg) => this.cost(arg));
    const args = expr.args.map((arg) => this.#node(arg));
    const reference = this.#checked.references.get(expr.id);
    if (reference?.kind !== 'call' || reference.overloads.length === 0) return ZERO;
    let sum = ZERO;
    let target: CostNode | undefined;
    if (expr.target && !reference.isNamespaced) {
      sum = this.cost(expr.target);
      target = this.#node(expr.target);
    }
    let cost: Estimate = { min: UNBOUNDED, max: 0 };
    let size: Estimate | undefined;
    for (const { id } of reference.overloads) {
      const found = this.#overloadCost(expr, reference.name, id, target, args, argCosts);
      cost = union(cost, found.cost);
      if (found.size) size = size ? union(size, found.size) : found.size;
      if ((id === 'index_list' || id === 'index_map') && expr.args[0]) {
        size = this.#entrySize(expr.args[0])?.value;
        this.#paths.set(expr.id, [...this.#path(expr.args[0]), id === 'index_list' ? '@items' : '@values']);
      }
      size ??= this.#size(expr);
    }
    if (size) this.#computed.set(expr.id, size);
    return plus(sum, cost);
  }

  #dyn(expr: CallExpr): Estimate {
    const [arg] = expr.args;
    if (!arg) return fixed(1);
    const cost = this.cost(arg);
    this.#copySizes(expr, arg);
    return plus(fixed(1), cost);
  }

  #overloadCost(
    expr: CallExpr,
    name: string,
    id: string,
    target: CostNode | undefined,
    args: readonly CostNode[],
    argCosts: readonly Estimate[],
  ): { cost: Estimate; size?: Estimate | undefined } {
    const [first = ZERO, second = ZERO, third = ZERO] = argCosts;
    if (id === 'logical_or' || id === 'logical_and') {
      return { cost: { min: first.min, max: plus(first, second).max } };
    }
    if (id === 'conditional') {
      const [, yes, no] = expr.args as [Expr, Expr, Expr];
      this.#setEntries(expr, unionEntries(this.#entrySize(yes), this.#entrySize(no)));
      const size = union(this.#sizeOrUnknown(yes), this.#sizeOrUnknown(no));
      return { cost: plus(first, union(second, third)), size };
    }
    if (id === 'add_string' || id === 'add_bytes' || id === 'add_list') {
      const [left, right] = expr.args as [Expr, Expr];
      this.#setEntries(expr, unionEntries(this.#entrySize(left), this.#entrySize(right)));
    }
    const call = estimateCall(name, id, target, args, this.#sizes);
    return { cost: plus(call.cost, ...argCosts), size: call.size };
  }

  #loop(expr: ComprehensionExpr): Estimate {
    const before = plus(this.cost(expr.range), this.cost(expr.accuInit));
    this.#push(expr.accuVar, {
      path: this.#path(expr.accuInit),
      size: this.#size(expr.accuInit),
      entrySize: this.#entrySize(expr.accuInit),
    });
    const names = this.#pushIterators(expr);
    const each = plus(this.cost(expr.condition), this.cost(expr.step));
    for (const name of names) this.#locals.get(name)?.pop();
    const result = this.cost(expr.result);
    this.#locals.get(expr.accuVar)?.pop();
    const count = this.#sizeOrUnknown(expr.range);
    if (expr.accuInit.kind === 'literal') {
      const size = this.#size(expr.accuInit);
      if (size) this.#computed.set(expr.id, size);
    } else if (expr.accuInit.kind === 'list' || expr.accuInit.kind === 'map') {
      this.#computed.set(expr.id, count);
      this.#setEntries(expr, this.#entrySize(expr.step));
    }
    return plus(before, result, times(count, each));
  }

  #pushIterators(expr: ComprehensionExpr): string[] {
    const entry = this.#entrySize(expr.range);
    const isList = entry ? entry.isList : this.#type(expr.range).kind === 'list';
    const path = this.#path(expr.range);
    const push = (name: string, part: string, size: Estimate | undefined): void => {
      this.#push(name, { path: [...path, part], size, entrySize: undefined });
    };
    if (expr.iterVar2 === undefined) {
      push(expr.iterVar, isList ? '@items' : '@keys', isList ? entry?.value : entry?.key);
      return [expr.iterVar];
    }
    push(expr.iterVar, isList ? '@indices' : '@keys', entry?.key);
    push(expr.iterVar2, isList ? '@items' : '@values', entry?.value);
    return [expr.iterVar, expr.iterVar2];
  }

  #bind(expr: ComprehensionExpr): Estimate {
    const before = plus(this.cost(expr.range), this.cost(expr.accuInit));
    this.#push(expr.accuVar, {
      path: this.#path(expr.accuInit),
      size: this.#size(expr.accuInit),
      entrySize: this.#entrySize(expr.accuInit),
    });
    const result = this.cost(expr.result);
    this.#locals.get(expr.accuVar)?.pop();
    this.#copySizes(expr, expr.result);
    return plus(before, result);
  }

  #push(name: string, variable: LocalVariable): void {
    const stack = this.#locals.get(name);
    if (stack) stack.push(variable);
    else this.#locals.set(name, [variable]);
  }

  #node(expr: Expr): CostNode {
    const path = this.#path(expr);
    return {
      // Only paths from variables lead anywhere.
      path: path[0] === ACCUMULATOR ? [] : path,
      type: this.#type(expr),
      literal: expr.kind === 'literal' ? expr.value : undefined,
      size: this.#size(expr),
    };
  }

  #sizeOrUnknown(expr: Expr): Estimate {
    return this.#size(expr) ?? UNKNOWN;
  }

  #size(expr: Expr): Estimate | undefined {
    const known = this.#computed.get(expr.id) ?? literalSize(expr);
    if (known) return known;
    const type = this.#type(expr);
    const estimated = this.#sizes(this.#path(expr), type);
    if (estimated) {
      this.#computed.set(expr.id, estimated);
      return estimated;
    }
    if (SCALARS.has((unwrapOptional(type) ?? type).kind)) return fixed(1);
    return expr.kind === 'ident' ? this.#local(expr.name)?.size : undefined;
  }

  #entrySize(expr: Expr): EntrySize | undefined {
    const known = this.#entries.get(expr.id);
    return known ?? (expr.kind === 'ident' ? this.#local(expr.name)?.entrySize : undefined);
  }

  #setEntries(expr: Expr, size: EntrySize | undefined): void {
    if (size) this.#entries.set(expr.id, size);
  }

  #copySizes(to: Expr, from: Expr): void {
    const size = this.#size(from);
    if (size) this.#computed.set(to.id, size);
    this.#setEntries(to, this.#entrySize(from));
  }
}

function unionOf(sizes: readonly Estimate[]): Estimate {
  return sizes.length === 0 ? ZERO : sizes.reduce(union, { min: UNBOUNDED, max: 0 });
}

function unionEntries(a: EntrySize | undefined, b: EntrySize | undefined): EntrySize | undefined {
  return a && b && { isList: a.isList, key: union(a.key, b.key), value: union(a.value, b.value) };
}

function literalSize(expr: Expr): Estimate | undefined {
  switch (expr.kind) {
    case 'literal':
      if (typeof expr.value === 'string') return fixed(codePoints(expr.value));
      return fixed(expr.value instanceof Uint8Array ? expr.value.length : 1);
    case 'list':
      return fixed(expr.elements.length);
    case 'map':
      return fixed(expr.entries.length);
    default:
      return undefined;
  }
}
