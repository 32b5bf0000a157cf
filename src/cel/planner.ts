import type { CallExpr, Expr, ListExpr, MapExpr, SelectExpr, StructExpr } from './ast.ts';
import type { Checked, Reference } from './checker.ts';
import { planCall } from './calls.ts';
import { planComprehension } from './comprehension.ts';
import { display } from './display.ts';
import type { Environment } from './environment.ts';
import { constantPlan, Frame, noSuchOverload } from './frame.ts';
import type { Activation, Plan, Program, Step } from './frame.ts';
import type { Overload } from './functions.ts';
import { EvaluationError } from './issues.ts';
import { isPresent, select, selectOptional } from './select.ts';
import { DYN } from './types.ts';
import type { Type } from './types.ts';
import { ArrayList, EntryMap, Optional, TypeValue } from './values.ts';
import type { Value } from './values.ts';

/** What cel-go takes for making a value. */
const LIST_COST = 10;
const MAP_COST = 30;
const STRUCT_COST = 40;

const NOTHING: Activation = { resolve: () => undefined };

/** Turns a checked expression into a program. Throws EvaluationError where a constant part has no value. */
export function plan(checked: Checked, environment: Environment): Program {
  const { run } = new Planner(checked, environment).plan(checked.expr);
  return {
    evaluate(activation, limit = Infinity) {
      const frame = new Frame(activation, limit);
      return { value: run(frame), cost: frame.cost };
    },
  };
}

export class Planner {
  readonly #checked: Checked;
  readonly #environment: Environment;
  /** Variables of the comprehensions around, and their slots. */
  #locals: ReadonlyMap<string, number> = new Map();
  #slots = 0;

  constructor(checked: Checked, environment: Environment) {
    this.#checked = checked;
    this.#environment = environment;
  }

  typeOf(expr: Expr): Type {
    return this.#checked.types.get(expr.id) ?? DYN;
  }

  reference(expr: Expr): Reference | undefined {
    return this.#checked.references.get(expr.id);
  }

  /** All overloads of a function, whether the types fit or not. */
  overloads(name: string): readonly Overload[] {
    return this.#environment.overloads(name) ?? [];
  }

  /** Plans with more local variables, which get slots of their own. */
  withLocals<T>(names: readonly string[], planInner: (slots: number[]) => T): T {
    const outer = this.#locals;
    const slots = names.map(() => this.#slots++);
    this.#locals = new Map([
      ...outer,
      ...names.map((name, index) => [name, slots[index] as number] as const),
    ]);
    const result = planInner(slots);
    this.#locals = outer;
    return result;
  }

  plan(expr: Expr): Plan {
    switch (expr.kind) {
      case 'literal':
        return constantPlan(expr.value);
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
        return this.#struct(expr);
      default:
        return planComprehension(this, expr);
    }
  }

  #name(expr: Expr, written: string): Plan {
    const reference = this.reference(expr);
    if (reference?.kind === 'type') return constantPlan(new TypeValue(reference.type));
    const name = reference?.kind === 'variable' ? reference.name : written;
    const slot = written.startsWith('.') ? undefined : this.#locals.get(name);
    const chain: Step =
      slot === undefined
        ? (frame) => {
            const value = frame.activation.resolve(name);
            if (value === undefined) throw new EvaluationError(`no such attribute(s): ${name}`);
            return value;
          }
        : (frame) => frame.slot(slot);
    return chained(chain);
  }

  #select(expr: SelectExpr): Plan {
    const reference = this.reference(expr);
    if (reference) return this.#name(expr, expr.field);
    const operand = this.plan(expr.operand);
    const { field } = expr;
    if (expr.testOnly) {
      // Upstream leaves has() itself free of charge.
      const inner = operand.chain ?? operand.run;
      return {
        run: (frame) => {
          const value = inner(frame);
          frame.charge(1);
          return isPresent(value, field);
        },
      };
    }
    return this.#qualified(operand, () => field);
  }

  /** One more selection on a chain. */
  #qualified(operand: Plan, key: Step): Plan {
    const inner = operand.chain ?? operand.run;
    const chain: Step = (frame) => {
      const value = inner(frame);
      const result = select(value, key(frame));
      if (!(result instanceof Optional && result.value === undefined)) frame.charge(1);
      return result;
    };
    return chained(chain, operand.baseCost ?? 1);
  }

  #call(expr: CallExpr): Plan {
    const args = expr.args.map((arg) => this.plan(arg));
    switch (expr.name) {
      case '_[_]':
        return this.#index(args as [Plan, Plan]);
      case '_[?_]':
      case '_?._':
        return this.#optionalIndex(args as [Plan, Plan]);
      case '_?_:_':
        return conditional(args as [Plan, Plan, Plan]);
      case '_&&_':
        return logical(args as [Plan, Plan], false);
      case '_||_':
        return logical(args as [Plan, Plan], true);
      default:
        return planCall(this, expr, args);
    }
  }

  #index([operand, index]: [Plan, Plan]): Plan {
    return this.#qualified(operand, index.chain ?? index.run);
  }

  #optionalIndex([operand, index]: [Plan, Plan]): Plan {
    const inner = operand.chain ?? operand.run;
    const key = index.chain ?? index.run;
    const chain: Step = (frame) => {
      const value = inner(frame);
      const result = selectOptional(value, key(frame));
      if (result.value !== undefined) frame.charge(1);
      return result;
    };
    return chained(chain, operand.baseCost ?? 1);
  }

  #list({ elements, optional }: ListExpr): Plan {
    const plans = elements.map((element) => this.plan(element));
    if (optional.size === 0 && plans.every((each) => each.constant !== undefined)) {
      return constantPlan(new ArrayList(plans.map((each) => each.constant as Value)));
    }
    return {
      run: (frame) => {
        const items: Value[] = [];
        for (const [index, each] of plans.entries()) {
          const value = each.run(frame);
          if (!optional.has(index)) items.push(value);
          else if (!(value instanceof Optional)) {
            throw new EvaluationError(
              `cannot initialize optional list element from non-optional value ${display(value)}`,
            );
          } else if (value.value !== undefined) items.push(value.value);
        }
        frame.charge(LIST_COST);
        return new ArrayList(items);
      },
    };
  }

  #map({ entries }: MapExpr): Plan {
    const plans = entries.map(({ key, value, optional }) => ({
      key: this.plan(key),
      value: this.plan(value),
      optional,
    }));
    const run: Step = (frame) => {
      const map = new EntryMap();
      for (const { key, value, optional } of plans) {
        const name = key.run(frame);
        const given = optional ? unwrapEntry(name, value.run(frame)) : value.run(frame);
        if (given !== undefined) map.set(name, given);
      }
      frame.charge(MAP_COST);
      return map;
    };
    const isConstant = plans.every(
      ({ key, value, optional }) => !optional && key.constant !== undefined && value.constant !== undefined,
    );
    return isConstant ? constantPlan(run(new Frame(NOTHING, Infinity))) : { run };
  }

  #struct(expr: StructExpr): Plan {
    const reference = this.typeOf(expr);
    const fields = expr.fields.map(({ name, value, optional }) => ({
      name,
      plan: this.plan(value),
      optional,
    }));
    const { provider } = this.#environment.options;
    return {
      run: (frame) => {
        const given = new Map<string, Value>();
        for (const { name, plan: field, optional } of fields) {
          const value = optional ? unwrapEntry(name, field.run(frame)) : field.run(frame);
          if (value !== undefined) given.set(name, value);
        }
        frame.charge(STRUCT_COST);
        if (!provider?.create) throw new EvaluationError(`unknown type: ${reference.name}`);
        return provider.create(reference.name, given);
      },
    };
  }
}

function unwrapEntry(name: Value, value: Value): Value | undefined {
  if (value instanceof Optional) return value.value;
  throw new EvaluationError(
    `cannot initialize optional entry '${display(name)}' from non-optional value ${display(value)}`,
  );
}

function chained(chain: Step, baseCost = 1): Plan {
  const run: Step = (frame) => {
    const value = chain(frame);
    frame.charge(baseCost);
    return value;
  };
  return { run, chain, baseCost };
}

/** The branches are selections of the whole: as upstream, their first name is free. */
function conditional([condition, yes, no]: [Plan, Plan, Plan]): Plan {
  const whenTrue = yes.chain ?? yes.run;
  const whenFalse = no.chain ?? no.run;
  const chain: Step = (frame) => {
    const decision = condition.run(frame);
    if (typeof decision !== 'boolean') throw noSuchOverload();
    return decision ? whenTrue(frame) : whenFalse(frame);
  };
  return chained(chain, 0);
}

/** && and ||: what decides wins over an error on either side. */
function logical([left, right]: [Plan, Plan], decisive: boolean): Plan {
  return {
    run: (frame) => {
      let failure: EvaluationError | undefined;
      for (const side of [left, right]) {
        try {
          const value = side.run(frame);
          if (value === decisive) return decisive;
          if (typeof value !== 'boolean') failure ??= noSuchOverload();
        } catch (error) {
          if (!(error instanceof EvaluationError)) throw error;
          failure ??= error;
        }
      }
      if (failure) throw failure;
      return !decisive;
    },
  };
}
