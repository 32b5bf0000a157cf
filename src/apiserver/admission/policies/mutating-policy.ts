import type { MutatingAdmissionPolicy, Mutation } from '../../../api/gen/types/admissionregistration-v1.ts';
import type { MergeType } from '../../../api/apply/merge-type.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import { PatchError } from '../../../api/patch/errors.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { EvaluationError } from '../../../cel/issues.ts';
import { JSON_PATCH_FUNCTIONS } from '../../../cel/kubernetes/functions.ts';
import { listOf } from '../../../cel/types.ts';
import { ListValue } from '../../../cel/values.ts';
import type { Value } from '../../../cel/values.ts';
import type { Authorizer } from '../../authorization.ts';
import { EXPRESSIONS_BUDGET } from '../../cel/base-environment.ts';
import { AdmissionEvaluator, BudgetExceeded } from '../../cel/expressions.ts';
import type { AdmissionInput, CompiledExpression } from '../../cel/expressions.ts';
import {
  JSON_PATCH_TYPE,
  jsonOf,
  MUTATION_TYPES,
  NamedObject,
  OBJECT_TYPE,
  typeNameProblems,
} from '../../cel/mutation-types.ts';
import { ApplyProblem, applyConfiguration } from './apply-configuration.ts';
import { compileMatchConditions } from './match-conditions.ts';
import type { CompiledMatchConditions } from './match-conditions.ts';
import { PolicyCompiler } from './policy-compiler.ts';

/** A mutation could not be made; the policy's failurePolicy says what then. */
export class MutationProblem extends Error {}

/** Policies that make patches know `Object` and `JSONPatch`. */
export function mutationCompiler(hasParams: boolean): PolicyCompiler {
  return new PolicyCompiler(hasParams, true, [{ functions: JSON_PATCH_FUNCTIONS, provider: MUTATION_TYPES }]);
}

/** What an expression of a mutation must give. */
export function compileMutation(
  compiler: PolicyCompiler,
  { patchType, ...mutation }: Mutation,
): CompiledExpression {
  return patchType === 'JSONPatch'
    ? compiler.compile(mutation.jsonPatch?.expression ?? '', [listOf(JSON_PATCH_TYPE)])
    : compiler.compile(mutation.applyConfiguration?.expression ?? '', [OBJECT_TYPE]);
}

interface CompiledMutation {
  readonly isJsonPatch: boolean;
  readonly compiled: CompiledExpression;
}

/** A MutatingAdmissionPolicy that is ready. Mirrors apiserver pkg/admission/plugin/policy/mutating. */
export class CompiledMutatingPolicy {
  readonly conditions: CompiledMatchConditions;
  readonly mutations: readonly CompiledMutation[];
  readonly #authorizer: Authorizer;
  readonly #variables: ReadonlyMap<string, CompiledExpression>;

  constructor({ spec = {} }: MutatingAdmissionPolicy, authorizer: Authorizer) {
    this.#authorizer = authorizer;
    const hasParams = spec.paramKind !== undefined;
    this.conditions = compileMatchConditions(spec.matchConditions ?? [], { authorizer, hasParams });
    const compiler = mutationCompiler(hasParams);
    for (const variable of spec.variables ?? []) compiler.addVariable(variable);
    this.#variables = compiler.variables;
    this.mutations = (spec.mutations ?? []).map((mutation) => ({
      isJsonPatch: mutation.patchType === 'JSONPatch',
      compiled: compileMutation(compiler, mutation),
    }));
  }

  /** The object that a mutation makes of the input's; not yet decoded. Rejects with MutationProblem. */
  async mutate(
    { isJsonPatch, compiled }: CompiledMutation,
    input: AdmissionInput,
    type: MergeType,
  ): Promise<KubeObject> {
    const { object } = input;
    if (!object) throw new MutationProblem('there is no object to change');
    if (compiled.problem !== undefined) throw new MutationProblem(compiled.problem);
    const value = await this.#evaluate(compiled, input);
    try {
      return isJsonPatch ? patched(object, value) : configured(object, value, type);
    } catch (error) {
      if (error instanceof EvaluationError) throw new MutationProblem(error.message);
      throw error;
    }
  }

  async #evaluate(compiled: CompiledExpression, input: AdmissionInput): Promise<Value> {
    try {
      const evaluator = new AdmissionEvaluator(input, this.#authorizer, this.#variables);
      const { results } = await evaluator.run([compiled], EXPRESSIONS_BUDGET);
      const [result] = results;
      if (!result || 'error' in result) throw new MutationProblem(result?.error ?? 'no result');
      return result.value;
    } catch (error) {
      if (error instanceof BudgetExceeded) throw new MutationProblem(error.message);
      throw error;
    }
  }
}

function checkNames(value: Value): void {
  const root = value instanceof NamedObject ? value.type.name : 'Object';
  const problems = typeNameProblems(value, root);
  if (problems.length > 0) throw new MutationProblem(`type mismatch: ${problems.join('\n')}`);
}

function configured(object: KubeObject, value: Value, type: MergeType): KubeObject {
  checkNames(value);
  try {
    return applyConfiguration(object, jsonOf(value), type);
  } catch (error) {
    if (error instanceof ApplyProblem) throw new MutationProblem(`error applying patch: ${error.message}`);
    throw error;
  }
}

function patched(object: KubeObject, value: Value): KubeObject {
  if (!(value instanceof ListValue)) {
    throw new MutationProblem('type mismatch: JSONPatchType.expression should evaluate to array');
  }
  const operations = [...value].map(operationOf);
  try {
    return applyJsonPatch(object, operations) as KubeObject;
  } catch (error) {
    if (!(error instanceof PatchError)) throw error;
    const { cause } = error;
    // A test that fails says that the patch is not for this object.
    if (cause instanceof Error && cause.name === 'TEST_OPERATION_FAILED') return object;
    throw new MutationProblem(`JSON Patch: ${error.message}`);
  }
}

function operationOf(value: Value): Record<string, unknown> {
  if (!(value instanceof NamedObject)) {
    throw new MutationProblem(
      'type mismatch: JSONPatchType.expression should evaluate to array of JSONPatch',
    );
  }
  const { fields } = value;
  const given = fields.get('value');
  if (given instanceof NamedObject) checkNames(given);
  const from = fields.get('from');
  return {
    op: fields.get('op') ?? '',
    path: fields.get('path') ?? '',
    ...(from === undefined || from === '' ? {} : { from }),
    ...(given === undefined ? {} : { value: jsonOf(given) }),
  };
}
