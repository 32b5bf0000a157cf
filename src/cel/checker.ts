import { qualifiedName } from './ast.ts';
import type { CallExpr, ComprehensionExpr, Expr, ListExpr, MapExpr, SelectExpr, StructExpr } from './ast.ts';
import { CheckState } from './check-state.ts';
import type { Environment } from './environment.ts';
import type { Overload } from './functions.ts';
import type { Issue } from './issues.ts';
import * as t from './types.ts';
import type { Type } from './types.ts';
import { substitute } from './unify.ts';
import { typeOfValue } from './values.ts';

/** What a name or a call was found to mean. */
export type Reference =
  | { readonly kind: 'variable'; readonly name: string }
  | { readonly kind: 'type'; readonly type: Type }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly overloads: readonly Overload[];
      /** The target was a part of the function's name. */
      readonly isNamespaced: boolean;
    };

/** An expression whose types are known. */
export interface Checked {
  readonly expr: Expr;
  readonly types: ReadonlyMap<number, Type>;
  readonly references: ReadonlyMap<number, Reference>;
}

/** Finds the type of every part of an expression. Mirrors cel-go checker/checker.go, messages included. */
export function check(expr: Expr, environment: Environment): { checked: Checked; issues: Issue[] } {
  const checker = new Checker(environment);
  checker.check(expr);
  return {
    checked: { expr, types: checker.finalTypes(), references: checker.references },
    issues: checker.issues,
  };
}

interface Scope {
  readonly names: Map<string, Type>;
  readonly parent: Scope | undefined;
}

class Checker extends CheckState {
  readonly references = new Map<number, Reference>();
  readonly #types = new Map<number, Type>();
  readonly #environment: Environment;
  #scope: Scope | undefined;

  constructor(environment: Environment) {
    super();
    this.#environment = environment;
  }

  finalTypes(): Map<number, Type> {
    return new Map([...this.#types].map(([id, type]) => [id, substitute(this.bound, type, true)]));
  }

  #set(expr: Expr, type: Type): Type {
    this.#types.set(expr.id, type);
    return type;
  }

  check(expr: Expr): Type {
    switch (expr.kind) {
      case 'literal':
        return this.#set(expr, typeOfValue(expr.value));
      case 'ident':
        return this.#set(expr, this.#ident(expr.name, expr));
      case 'select':
        return this.#set(expr, this.#select(expr));
      case 'call':
        return this.#set(expr, this.#call(expr));
      case 'list':
        return this.#set(expr, this.#list(expr));
      case 'map':
        return this.#set(expr, this.#map(expr));
      case 'struct':
        return this.#set(expr, this.#struct(expr));
      default:
        return this.#set(expr, this.#comprehension(expr));
    }
  }

  /** The type of a name, which is noted as the meaning of the node; undefined where nothing is called so. */
  #lookUp(written: string, expr: Expr): Type | undefined {
    const name = written.startsWith('.') ? written.slice(1) : written;
    for (let scope = written.startsWith('.') ? undefined : this.#scope; scope; scope = scope.parent) {
      const local = scope.names.get(name);
      if (local) {
        this.references.set(expr.id, { kind: 'variable', name });
        return local;
      }
    }
    const variable = this.#environment.variable(name);
    if (variable) {
      this.references.set(expr.id, { kind: 'variable', name });
      return variable;
    }
    const type = this.#environment.typeNamed(name);
    if (!type) return undefined;
    this.references.set(expr.id, { kind: 'type', type });
    return t.typeOf(type);
  }

  #ident(name: string, expr: Expr): Type {
    const type = this.#lookUp(name, expr);
    if (!type) this.undeclared(expr.offset, name);
    return type ?? t.ERROR;
  }

  #select(expr: SelectExpr): Type {
    const name = qualifiedName(expr);
    const type = name === undefined ? undefined : this.#lookUp(name, expr);
    if (type) return type;
    const field = this.#field(expr, expr.operand, expr.field, false);
    return expr.testOnly ? t.BOOL : substitute(this.bound, field);
  }

  /** The type of a field; with `optional`, of `a.?b`. */
  #field(expr: Expr, operand: Expr, field: string, optional: boolean): Type {
    const operandType = substitute(this.bound, this.check(operand));
    const unwrapped = t.unwrapOptional(operandType);
    const result = this.#fieldOf(expr, unwrapped ?? operandType, field);
    return unwrapped || optional ? t.optionalOf(result) : result;
  }

  #fieldOf(expr: Expr, type: Type, field: string): Type {
    switch (type.kind) {
      case 'map':
        return type.params[1] ?? t.DYN;
      case 'struct':
        return this.#declaredField(type.name, field, expr.offset) ?? t.ERROR;
      case 'param':
        this.assignable(t.DYN, type);
        return t.DYN;
      default:
        if (!t.isDyn(type) && type.kind !== 'error') {
          this.issue(expr.offset, `type '${t.formatType(type)}' does not support field selection`);
        }
        return t.DYN;
    }
  }

  #declaredField(typeName: string, field: string, offset: number): Type | undefined {
    const type = this.#environment.typeNamed(typeName);
    const found = type && this.#environment.field(typeName, field);
    if (!type) this.issue(offset, `unexpected failed resolution of '${typeName}'`);
    else if (!found) this.issue(offset, `undefined field '${field}'`);
    return found;
  }

  #call(expr: CallExpr): Type {
    if (expr.name === '_?._') return this.#optionalSelect(expr);
    for (const arg of expr.args) this.check(arg);
    const { target } = expr;
    if (!target) return this.#resolve(expr, expr.name, undefined);
    const prefix = qualifiedName(target);
    if (prefix !== undefined && this.#environment.overloads(strip(`${prefix}.${expr.name}`))) {
      return this.#resolve(expr, `${prefix}.${expr.name}`, undefined);
    }
    this.check(target);
    return this.#resolve(expr, expr.name, target);
  }

  #optionalSelect(expr: CallExpr): Type {
    const [operand, field] = expr.args;
    if (!operand || field?.kind !== 'literal' || typeof field.value !== 'string') {
      this.issue(expr.offset, 'unsupported optional field selection');
      return t.ERROR;
    }
    const result = this.#field(expr, operand, field.value, true);
    const overloads = this.#environment.overloads('_?._') ?? [];
    this.references.set(expr.id, { kind: 'call', name: '_?._', overloads, isNamespaced: false });
    return substitute(this.bound, result);
  }

  #resolve(expr: CallExpr, written: string, target: Expr | undefined): Type {
    const name = strip(written);
    const overloads = this.#environment.overloads(name);
    if (!overloads) {
      this.undeclared(expr.offset, expr.name);
      return t.ERROR;
    }
    const operands = target ? [target, ...expr.args] : expr.args;
    const types = operands.map((each) => this.#types.get(each.id) ?? t.ERROR);
    if (name === '_&&_' || name === '_||_') return this.#logical(expr, overloads, types);
    const isMember = target !== undefined;
    let result: Type | undefined;
    const matching: Overload[] = [];
    for (const overload of overloads) {
      const found = overload.isMember === isMember ? this.tryOverload(overload, types) : undefined;
      if (!found) continue;
      matching.push(overload);
      if (!result) result = found;
      else if (!t.isDyn(result) && !t.sameType(found, result)) result = t.DYN;
    }
    if (!result) {
      const shown = types.map((type) => substitute(this.bound, type, true));
      const signature = t.formatSignature(shown, isMember);
      this.issue(expr.offset, `found no matching overload for '${name}' applied to '${signature}'`);
      return t.ERROR;
    }
    const isNamespaced = expr.target !== undefined && !target;
    this.references.set(expr.id, { kind: 'call', name, overloads: matching, isNamespaced });
    return result;
  }

  /** Each operand is told apart, so that the message is of the one that is wrong. */
  #logical(expr: CallExpr, overloads: readonly Overload[], types: readonly Type[]): Type {
    let isWrong = false;
    for (const [index, type] of types.entries()) {
      if (this.assignable(type, t.BOOL)) continue;
      this.mismatch(expr.args[index]?.offset ?? 0, t.BOOL, type);
      isWrong = true;
    }
    this.references.set(expr.id, { kind: 'call', name: expr.name, overloads, isNamespaced: false });
    return isWrong ? t.ERROR : t.BOOL;
  }

  #list(expr: ListExpr): Type {
    let joined: Type | undefined;
    for (const [index, element] of expr.elements.entries()) {
      const type = this.unwrapped(element, expr.optional.has(index), this.check(element));
      joined = this.join(joined, type);
    }
    return t.listOf(joined ?? this.newTypeVar());
  }

  #map(expr: MapExpr): Type {
    let keys: Type | undefined;
    let values: Type | undefined;
    for (const { key, value, optional } of expr.entries) {
      keys = this.join(keys, this.check(key));
      values = this.join(values, this.unwrapped(value, optional, this.check(value)));
    }
    return t.mapOf(keys ?? this.newTypeVar(), values ?? this.newTypeVar());
  }

  #struct(expr: StructExpr): Type {
    const name = strip(expr.typeName);
    const type = this.#environment.typeNamed(name);
    if (!type) {
      this.undeclared(expr.offset, expr.typeName);
      return t.ERROR;
    }
    if (type.kind !== 'struct') this.issue(expr.offset, `'${name}' is not a message type`);
    for (const field of expr.fields) {
      const value = this.unwrapped(field.value, field.optional, this.check(field.value));
      const declared = this.#declaredField(name, field.name, field.offset) ?? t.ERROR;
      if (this.assignable(declared, value)) continue;
      const [wanted, found] = [declared, value].map(t.formatType);
      this.issue(
        field.offset,
        `expected type of field '${field.name}' is '${wanted}' but provided type is '${found}'`,
      );
    }
    return type.kind === 'struct' ? type : t.ERROR;
  }

  #comprehension(expr: ComprehensionExpr): Type {
    this.check(expr.range);
    const accu = this.check(expr.accuInit);
    const range = substitute(this.bound, this.#types.get(expr.range.id) ?? t.ERROR);
    const [first, second] = this.#rangeTypes(expr, range);
    const outer = this.#scope;
    const accuScope: Scope = { names: new Map([[expr.accuVar, accu]]), parent: outer };
    const loop = new Map([[expr.iterVar, first]]);
    if (expr.iterVar2 !== undefined) loop.set(expr.iterVar2, second);
    this.#scope = { names: loop, parent: accuScope };
    this.check(expr.condition);
    this.#expect(expr.condition, t.BOOL);
    this.check(expr.step);
    this.#expect(expr.step, accu);
    this.#scope = accuScope;
    const result = this.check(expr.result);
    this.#scope = outer;
    return substitute(this.bound, result);
  }

  #expect(expr: Expr, type: Type): void {
    const actual = this.#types.get(expr.id) ?? t.ERROR;
    if (!this.assignable(type, actual)) this.mismatch(expr.offset, type, actual);
  }

  #rangeTypes(expr: ComprehensionExpr, range: Type): [Type, Type] {
    const [key = t.DYN, value = t.DYN] = range.params;
    switch (range.kind) {
      case 'list':
        return expr.iterVar2 === undefined ? [key, key] : [t.INT, key];
      case 'map':
        return [key, value];
      case 'dyn':
      case 'error':
      case 'param':
        this.assignable(t.DYN, range);
        return [t.DYN, t.DYN];
      default: {
        const shown = t.formatType(range);
        const message = `expression of type '${shown}' cannot be range of a comprehension (must be list, map, or dynamic)`;
        this.issue(expr.range.offset, message);
        return [t.ERROR, t.ERROR];
      }
    }
  }
}

function strip(name: string): string {
  return name.startsWith('.') ? name.slice(1) : name;
}
