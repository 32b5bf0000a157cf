import { CostExceeded, EvaluationError } from './issues.ts';
import type { Value } from './values.ts';

/** What the variables of one evaluation are. */
export interface Activation {
  /** undefined where there is no such variable; may throw EvaluationError. */
  resolve(name: string): Value | undefined;
}

/** An accumulator that is an error: the quantifiers go on, for a later item may decide. */
export class Failure {
  readonly error: EvaluationError;

  constructor(error: EvaluationError) {
    this.error = error;
  }
}

/** One evaluation under way. */
export class Frame {
  readonly activation: Activation;
  /** Variables of comprehensions. */
  readonly slots: Array<Value | Failure> = [];
  readonly #limit: number;
  cost = 0;

  constructor(activation: Activation, limit: number) {
    this.activation = activation;
    this.#limit = limit;
  }

  /** Throws CostExceeded where that is too much. */
  charge(cost: number): void {
    this.cost += cost;
    if (this.cost > this.#limit) throw new CostExceeded();
  }

  slot(index: number): Value {
    const value = this.slots[index];
    if (value instanceof Failure) throw value.error;
    return value as Value;
  }
}

export type Step = (frame: Frame) => Value;

/** A part of a program, ready to run. */
export interface Plan {
  readonly run: Step;
  /** Known before any evaluation. */
  readonly constant?: Value;
  /**
   * For a chain of names and indices: as `run`, but without the cost of its beginning, which what is selected
   * from it has in its own cost.
   */
  readonly chain?: Step;
  /** What `run` charges beyond `chain`. */
  readonly baseCost?: number;
}

export function constantPlan(value: Value): Plan {
  return { run: () => value, constant: value };
}

/** The program of an expression, which may run any number of times. */
export interface Program {
  /**
   * Throws EvaluationError, or CostExceeded past `limit`. The cost is upstream's measure: about 50 ns of a
   * core for each.
   */
  evaluate(activation: Activation, limit?: number): { value: Value; cost: number };
}

export function noSuchOverload(name = ''): EvaluationError {
  return new EvaluationError(name === '' ? 'no such overload' : `no such overload: ${name}`);
}
