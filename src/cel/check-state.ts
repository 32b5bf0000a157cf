import type { Expr } from './ast.ts';
import type { Overload } from './functions.ts';
import type { Issue } from './issues.ts';
import * as t from './types.ts';
import type { Type } from './types.ts';
import { assign, assignAll, mostGeneral, substitute } from './unify.ts';
import type { Substitution } from './unify.ts';

/** What a checker has learnt of type parameters, and what it has found wrong. */
export class CheckState {
  readonly issues: Issue[] = [];
  bound: Substitution = new Map();
  #freeVars = 0;

  issue(offset: number, message: string): void {
    this.issues.push({ offset, message });
  }

  assignable(from: Type, to: Type): boolean {
    const bound = assign(this.bound, from, to);
    if (bound) this.bound = bound;
    return bound !== undefined;
  }

  newTypeVar(): Type {
    return t.typeParam(`_var${this.#freeVars++}`);
  }

  undeclared(offset: number, name: string): void {
    this.issue(offset, `undeclared reference to '${name}' (in container '')`);
  }

  mismatch(offset: number, expected: Type, actual: Type): void {
    const [wanted, found] = [expected, actual].map(t.formatType);
    this.issue(offset, `expected type '${wanted}' but found '${found}'`);
  }

  /** The type of `?x`, which must be an optional, without its wrapping. */
  unwrapped(expr: Expr, isOptional: boolean, type: Type): Type {
    if (!isOptional) return type;
    const inner = t.unwrapOptional(type);
    if (!inner && !t.isDyn(type)) this.mismatch(expr.offset, t.optionalOf(type), type);
    return inner ?? type;
  }

  join(previous: Type | undefined, current: Type): Type {
    if (!previous) return current;
    return this.assignable(previous, current) ? mostGeneral(previous, current) : t.DYN;
  }

  tryOverload(overload: Overload, types: readonly Type[]): Type | undefined {
    const fresh: Substitution = new Map(overload.typeParams.map((name) => [name, this.newTypeVar()]));
    const args =
      overload.typeParams.length === 0 ? overload.args : overload.args.map((arg) => substitute(fresh, arg));
    const bound = assignAll(this.bound, types, args);
    if (!bound) return undefined;
    this.bound = bound;
    return substitute(bound, substitute(fresh, overload.result));
  }
}
