import { compile } from '../../cel/compile.ts';
import type { Environment } from '../../cel/environment.ts';
import type { Activation, Program } from '../../cel/frame.ts';
import { CostExceeded, EvaluationError } from '../../cel/issues.ts';
import { dynamicValue } from '../../cel/json-values.ts';
import { sameType, typeText } from '../../cel/types.ts';
import type { Type } from '../../cel/types.ts';
import { MapValue } from '../../cel/values.ts';
import type { Value } from '../../cel/values.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import { AuthorizerValue, Decisions, requestResourceCheck } from './authorizer.ts';
import { admissionRequest } from './admission-request.ts';
import { OUT_OF_BUDGET, PER_CALL_LIMIT } from './base-environment.ts';
import { settled } from './pending.ts';

/** An expression of a policy or webhook, compiled once; `problem` says why it is not. */
export interface CompiledExpression {
  readonly expression: string;
  readonly type: Type | undefined;
  readonly program: Program | undefined;
  readonly problem: string | undefined;
}

/** `types` are what the expression may give. Problems are in upstream's words. */
export function compileExpression(
  expression: string,
  environment: Environment,
  types: readonly Type[],
): CompiledExpression {
  const result = compile(expression, environment);
  if ('problem' in result) return failed(expression, `compilation failed: ${result.problem}`);
  const { type, program } = result.compiled;
  if (types.some((wanted) => wanted.kind === 'any' || sameType(wanted, type))) {
    return { expression, type, program, problem: undefined };
  }
  const [only] = types;
  const wanted = types.length === 1 && only ? typeText(only) : `one of [${types.map(typeText).join(' ')}]`;
  return failed(expression, `must evaluate to ${wanted} but got ${typeText(type)}`);
}

function failed(expression: string, problem: string): CompiledExpression {
  return { expression, type: undefined, program: undefined, problem };
}

/** A request as expressions see it. */
export interface AdmissionInput {
  readonly attributes: AdmissionAttributes;
  /** The resource that it matched under. */
  readonly matched: ResourceInfo;
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
  readonly params?: KubeObject | null | undefined;
  readonly namespaceObject?: KubeObject | null | undefined;
}

export type ExpressionResult = { readonly value: Value } | { readonly error: string };

/** All expressions together cost more than they may: none of the others is evaluated. */
export class BudgetExceeded extends Error {
  constructor() {
    super(OUT_OF_BUDGET);
  }
}

/** Evaluates the expressions of one policy or webhook for one request. */
export class AdmissionEvaluator {
  readonly #input: AdmissionInput;
  readonly #decisions: Decisions;
  readonly #variables: ReadonlyMap<string, CompiledExpression>;

  constructor(
    input: AdmissionInput,
    authorizer: Authorizer,
    variables: ReadonlyMap<string, CompiledExpression> = new Map(),
  ) {
    this.#input = input;
    this.#decisions = new Decisions(authorizer);
    this.#variables = variables;
  }

  /** One result for each expression, and what is left of the budget. Rejects with BudgetExceeded. */
  async run(
    expressions: readonly CompiledExpression[],
    budget: number,
  ): Promise<{ results: ExpressionResult[]; remaining: number }> {
    return settled(() => {
      const activation = new AdmissionActivation(this.#input, this.#decisions, this.#variables);
      let remaining = budget;
      const results = expressions.map((each) => {
        const { result, cost } = evaluateOne(each, activation);
        remaining -= cost + activation.takeCost();
        if (remaining < 0) throw new BudgetExceeded();
        return result;
      });
      return { results, remaining };
    });
  }
}

function evaluateOne(
  { expression, program, problem }: CompiledExpression,
  activation: Activation,
): { result: ExpressionResult; cost: number } {
  if (!program) return { result: { error: `compilation error: ${problem}` }, cost: 0 };
  const failure = (error: Error, cost: number): { result: ExpressionResult; cost: number } => ({
    result: { error: `expression '${expression}' resulted in error: ${error.message}` },
    cost,
  });
  try {
    const { value, cost } = program.evaluate(activation, PER_CALL_LIMIT);
    return { result: { value }, cost };
  } catch (error) {
    if (error instanceof CostExceeded) return failure(error, PER_CALL_LIMIT);
    if (error instanceof EvaluationError) return failure(error, 0);
    throw error;
  }
}

class AdmissionActivation implements Activation {
  readonly #input: AdmissionInput;
  readonly #decisions: Decisions;
  readonly #variables: Variables;
  readonly #known = new Map<string, Value>();

  constructor(
    input: AdmissionInput,
    decisions: Decisions,
    variables: ReadonlyMap<string, CompiledExpression>,
  ) {
    this.#input = input;
    this.#decisions = decisions;
    this.#variables = new Variables(variables, this);
  }

  /** What evaluating variables has cost since the last time. */
  takeCost(): number {
    return this.#variables.takeCost();
  }

  resolve(name: string): Value | undefined {
    const known = this.#known.get(name);
    if (known !== undefined) return known;
    const value = this.#resolve(name);
    if (value !== undefined) this.#known.set(name, value);
    return value;
  }

  #resolve(name: string): Value | undefined {
    const { object, oldObject, params, namespaceObject, attributes, matched } = this.#input;
    switch (name) {
      case 'object':
        return dynamicValue(object ?? null);
      case 'oldObject':
        return dynamicValue(oldObject ?? null);
      case 'params':
        return dynamicValue(params ?? null);
      case 'namespaceObject':
        return dynamicValue(namespaceObject ?? null);
      case 'request':
        return dynamicValue(admissionRequest(attributes, matched));
      case 'authorizer':
        return new AuthorizerValue(attributes.context.user, this.#decisions);
      case 'authorizer.requestResource':
        return requestResourceCheck(
          new AuthorizerValue(attributes.context.user, this.#decisions),
          attributes,
        );
      case 'variables':
        return this.#variables;
      default:
        return undefined;
    }
  }
}

/** `variables`: each is evaluated when it is first asked for, once. */
class Variables extends MapValue {
  readonly #compiled: ReadonlyMap<string, CompiledExpression>;
  readonly #activation: Activation;
  readonly #values = new Map<string, Value>();
  readonly #failures = new Map<string, EvaluationError>();
  #cost = 0;

  constructor(compiled: ReadonlyMap<string, CompiledExpression>, activation: Activation) {
    super();
    this.#compiled = compiled;
    this.#activation = activation;
  }

  takeCost(): number {
    const cost = this.#cost;
    this.#cost = 0;
    return cost;
  }

  override get size(): number {
    return this.#compiled.size;
  }

  override keys(): Iterable<Value> {
    return this.#compiled.keys();
  }

  override get(key: Value): Value | undefined {
    if (typeof key !== 'string') return undefined;
    const failure = this.#failures.get(key);
    if (failure) throw failure;
    const known = this.#values.get(key);
    if (known !== undefined) return known;
    const compiled = this.#compiled.get(key);
    if (!compiled) return undefined;
    const value = this.#evaluate(key, compiled);
    this.#values.set(key, value);
    return value;
  }

  #evaluate(name: string, { program, problem }: CompiledExpression): Value {
    try {
      if (!program)
        throw new EvaluationError(`composited variable ${JSON.stringify(name)} fails to compile: ${problem}`);
      const { value, cost } = program.evaluate(this.#activation, PER_CALL_LIMIT);
      this.#cost += cost;
      return value;
    } catch (error) {
      if (error instanceof CostExceeded) this.#cost += PER_CALL_LIMIT;
      else if (!(error instanceof EvaluationError)) throw error;
      const failure = program
        ? new EvaluationError(
            `composited variable ${JSON.stringify(name)} fails to evaluate: ${error.message}`,
          )
        : error;
      this.#failures.set(name, failure);
      throw failure;
    }
  }
}
