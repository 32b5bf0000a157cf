import type { CallExpr, Expr } from './ast.ts';
import { constantPlan, noSuchOverload } from './frame.ts';
import type { Frame, Plan, Step } from './frame.ts';
import type { Implementation, Overload } from './functions.ts';
import { EvaluationError } from './issues.ts';
import type { Planner } from './planner.ts';
import { callCost } from './runtime-cost.ts';
import type { CallCost } from './runtime-cost.ts';
import type { Type } from './types.ts';
import {
  ArrayList,
  Duration,
  ListValue,
  MapValue,
  nameOf,
  OpaqueValue,
  Optional,
  Timestamp,
  TypeValue,
  typeOfValue,
  Uint,
  valuesEqual,
} from './values.ts';
import type { Value } from './values.ts';

/** Conversions of a constant are done when the program is made. */
const CONVERSIONS: ReadonlySet<string> = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'dyn',
  'int',
  'string',
  'timestamp',
  'type',
  'uint',
]);

/** Functions whose one implementation goes by what the values can: their errors do not name the arguments. */
const BY_VALUE: ReadonlySet<string> = new Set([
  '_+_',
  '_-_',
  '_*_',
  '_/_',
  '_%_',
  '-_',
  '!_',
  '_<_',
  '_<=_',
  '_>_',
  '_>=_',
  '@in',
  'size',
]);

/** These say no more than that there is none. */
const OF_STRINGS: ReadonlySet<string> = new Set(['contains', 'endsWith', 'startsWith', 'matches']);

export function planCall(planner: Planner, expr: CallExpr, args: readonly Plan[]): Plan {
  const reference = planner.reference(expr);
  if (reference?.kind !== 'call') throw new EvaluationError(`no such overload: ${expr.name}`);
  const { name, overloads, isNamespaced } = reference;
  const target = expr.target && !isNamespaced ? expr.target : undefined;
  const operands = target ? [planner.plan(target), ...args] : args;
  const types = (target ? [target, ...expr.args] : expr.args).map((each: Expr) => planner.typeOf(each));
  if (name === '@not_strictly_false') return notStrictlyFalse(operands);
  const [only] = overloads;
  const id = overloads.length === 1 && only ? only.id : '';
  if (id === 'in_list') {
    const membership = constantMembership(operands);
    if (membership) return membership;
  }
  if (id === 'optional_or_optional') return alternative(operands, false);
  if (id === 'optional_orValue_value') return alternative(operands, true);
  const call = implementationOf(name, overloads, types, planner.overloads(name));
  const first = operands[0];
  if (CONVERSIONS.has(name) && operands.length === 1 && first?.constant !== undefined) {
    return constantPlan(call(first.constant));
  }
  return { run: costed(call, operands, callCost(name, id)) };
}

/** What the quantifiers go on by: an error is not false. */
function notStrictlyFalse([operand]: readonly Plan[]): Plan {
  return {
    run: (frame) => {
      let result = true;
      try {
        result = operand?.run(frame) !== false;
      } catch (error) {
        if (!(error instanceof EvaluationError)) throw error;
      }
      frame.charge(1);
      return result;
    },
  };
}

/** The common numbers of arguments without an array each time. */
function costed(call: Implementation, operands: readonly Plan[], cost: CallCost | undefined): Step {
  const [first, second] = operands.map((each) => each.run);
  if (operands.length === 1 && first) {
    return (frame) => {
      const value = first(frame);
      if (!cost) {
        frame.charge(1);
        return call(value);
      }
      return charged(frame, call, [value], cost);
    };
  }
  if (operands.length === 2 && first && second) {
    return (frame) => {
      const left = first(frame);
      const right = second(frame);
      if (!cost) {
        frame.charge(1);
        return call(left, right);
      }
      return charged(frame, call, [left, right], cost);
    };
  }
  return (frame: Frame) => {
    const values = operands.map((each) => each.run(frame));
    return charged(frame, call, values, cost ?? { before: () => 1 });
  };
}

/** What can be charged before the work is done is: it may be the work that is too much. */
function charged(frame: Frame, call: Implementation, values: Value[], cost: CallCost): Value {
  if (cost.before) frame.charge(cost.before(values));
  const result = call(...values);
  if (cost.after) frame.charge(cost.after(values, result));
  return result;
}

/** `x in ['a', 'b']`: the list is known, so that it becomes a set, which upstream does not charge for. */
function constantMembership([item, list]: readonly Plan[]): Plan | undefined {
  const constant = list?.constant;
  if (!item || !(constant instanceof ArrayList)) return undefined;
  const { items } = constant;
  if (items.length === 0) return constantPlan(false);
  if (!items.every(isPrimitive)) return undefined;
  const strings = new Set<Value>(items);
  if (items.every((each) => typeof each === 'string'))
    return { run: (frame) => strings.has(item.run(frame)) };
  return {
    run: (frame) => {
      const wanted = item.run(frame);
      return items.some((each) => valuesEqual(each, wanted));
    },
  };
}

function isPrimitive(value: Value): boolean {
  return value instanceof Uint || ['boolean', 'bigint', 'number', 'string'].includes(typeof value);
}

/** The other is looked at only where there is no value. Upstream charges nothing. */
function alternative([optional, other]: readonly Plan[], isValue: boolean): Plan {
  return {
    run: (frame) => {
      const first = optional?.run(frame);
      if (!(first instanceof Optional)) throw noSuchOverload();
      if (first.value === undefined) return other?.run(frame) ?? null;
      return isValue ? first.value : first;
    },
  };
}

/** One function of all overloads that may apply; values are looked at only where the types do not tell. */
function implementationOf(
  name: string,
  overloads: readonly Overload[],
  types: readonly Type[],
  all: readonly Overload[],
): Implementation {
  const usable = overloads.filter((each) => each.implementation);
  const [only] = usable;
  if (usable.length === 1 && only?.implementation) {
    const isSure = only.args.every((arg, index) => isKnown(arg, types[index]));
    if (isSure) return only.implementation;
  }
  return (...args) => {
    const found = usable.find((each) => each.args.every((arg, index) => isOfType(arg, args[index] as Value)));
    if (found?.implementation) return found.implementation(...args);
    throw mismatch(name, all, args);
  };
}

function mismatch(name: string, all: readonly Overload[], args: readonly Value[]): EvaluationError {
  if (OF_STRINGS.has(name)) return noSuchOverload();
  if (!BY_VALUE.has(name)) return noSuchOverload(`${name}(${args.map(nameOf).join(', ')})`);
  const knowsFirst = all.some(({ args: [first] }) => first && isOfType(first, args[0] as Value));
  return noSuchOverload(knowsFirst && args.length > 1 ? '' : name);
}

/** Whether a static type says enough that a value need not be looked at. */
function isKnown(wanted: Type, actual: Type | undefined): boolean {
  return (
    wanted.kind === 'dyn' || wanted.kind === 'param' || (actual !== undefined && actual.kind === wanted.kind)
  );
}

/** Whether a value is of a type, of lists and maps without what is in them. */
export function isOfType(type: Type, value: Value): boolean {
  switch (type.kind) {
    case 'dyn':
    case 'any':
    case 'param':
      return true;
    case 'list':
      return value instanceof ListValue;
    case 'map':
      return value instanceof MapValue;
    case 'struct':
    case 'opaque':
      if (type.name === 'optional_type') return value instanceof Optional;
      return value instanceof OpaqueValue && value.type.name === type.name;
    case 'type':
      return value instanceof TypeValue;
    case 'uint':
      return value instanceof Uint;
    case 'timestamp':
      return value instanceof Timestamp;
    case 'duration':
      return value instanceof Duration;
    default:
      return typeOfValue(value).kind === type.kind;
  }
}
