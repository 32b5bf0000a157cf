import type { ComprehensionExpr } from './ast.ts';
import { ACCUMULATOR } from './ast.ts';
import { display } from './display.ts';
import { Failure } from './frame.ts';
import type { Frame, Plan, Step } from './frame.ts';
import { EvaluationError } from './issues.ts';
import type { Planner } from './planner.ts';
import { ArrayList, EntryMap, ListValue, MapValue, nameOf } from './values.ts';
import type { Value } from './values.ts';

/** A list that a macro is filling; it alone has it, so that items may be added in place. */
export class Collecting extends ArrayList {}

/** Loops over lists and maps. */
export function planComprehension(planner: Planner, expr: ComprehensionExpr): Plan {
  const range = planner.plan(expr.range);
  if (expr.accuVar !== ACCUMULATOR) return planBind(planner, expr);
  const init = planInit(planner, expr);
  return planner.withLocals([expr.accuVar], ([accu = 0]) => {
    const names = expr.iterVar2 === undefined ? [expr.iterVar] : [expr.iterVar, expr.iterVar2];
    const loop = planner.withLocals(names, ([first = 0, second]) => ({
      first,
      second,
      condition: planner.plan(expr.condition),
      step: planner.plan(expr.step).run,
    }));
    const result = planner.plan(expr.result).run;
    const goesOnAfterFailure = loop.condition.constant !== true;
    const once = goesOnAfterFailure ? keepingFailure(accu, loop.step) : plainStep(accu, loop.step);
    const isDone = loop.condition.constant === true ? undefined : loop.condition.run;
    return {
      run: (frame) => {
        const over = range.run(frame);
        frame.slots[accu] = init(frame);
        for (const [key, value] of items(over, loop.second !== undefined)) {
          frame.slots[loop.first] = key;
          if (loop.second !== undefined) frame.slots[loop.second] = value;
          if (isDone && isDone(frame) === false) break;
          once(frame);
        }
        const value = result(frame);
        return value instanceof Collecting ? new ArrayList(value.items) : value;
      },
    };
  });
}

function planInit(planner: Planner, expr: ComprehensionExpr): Step {
  const init = planner.plan(expr.accuInit).run;
  // Each evaluation fills its own.
  if (expr.accuInit.kind === 'list') return () => new Collecting([]);
  return expr.accuInit.kind === 'map' ? () => new EntryMap() : init;
}

function plainStep(accu: number, step: Step): (frame: Frame) => void {
  return (frame) => {
    frame.slots[accu] = step(frame);
  };
}

function keepingFailure(accu: number, step: Step): (frame: Frame) => void {
  return (frame) => {
    try {
      frame.slots[accu] = step(frame);
    } catch (error) {
      if (!(error instanceof EvaluationError)) throw error;
      frame.slots[accu] = new Failure(error);
    }
  };
}

/** Keys and values with two variables; else items of lists and keys of maps. */
function* items(over: Value, both: boolean): IterableIterator<[Value, Value]> {
  if (over instanceof ListValue) {
    let index = 0n;
    for (const item of over) yield both ? [index++, item] : [item, item];
    return;
  }
  if (!(over instanceof MapValue)) {
    throw new EvaluationError(`got '${nameOf(over)}', expected iterable type`);
  }
  for (const key of over.keys()) yield [key, both ? (over.get(key) ?? null) : null];
}

/** `optMap` and the like: a name for a value, which is computed when it is first asked for. */
function planBind(planner: Planner, expr: ComprehensionExpr): Plan {
  const range = planner.plan(expr.range).run;
  const init = planner.plan(expr.accuInit).run;
  return planner.withLocals([expr.accuVar], ([slot = 0]) => {
    const result = planner.plan(expr.result).run;
    return {
      run: (frame) => {
        range(frame);
        frame.slots[slot] = init(frame);
        return result(frame);
      },
    };
  });
}

/** `accu + [x]` of a macro adds in place. */
export function concat(left: ListValue, right: ListValue): ListValue {
  if (left instanceof Collecting) {
    for (const item of right) left.items.push(item);
    return left;
  }
  return left.concat(right);
}

/** What `transformMap` makes: the map is the macro's own. */
export function insertInto(map: Value, key: Value, value: Value): Value {
  const target = map instanceof EntryMap ? map : new EntryMap();
  if (!target.insert(key, value))
    throw new EvaluationError(`insert failed: key ${display(key)} already exists`);
  return target;
}
