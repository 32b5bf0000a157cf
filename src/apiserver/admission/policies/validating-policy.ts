import type {
  AuditAnnotation,
  ValidatingAdmissionPolicy,
  Validation,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import { BOOL, NULL, STRING } from '../../../cel/types.ts';
import { nameOf } from '../../../cel/values.ts';
import type { Authorizer } from '../../authorization.ts';
import { EXPRESSIONS_BUDGET, MAX_MESSAGE_BYTES } from '../../cel/base-environment.ts';
import { AdmissionEvaluator, BudgetExceeded } from '../../cel/expressions.ts';
import type { AdmissionInput, CompiledExpression, ExpressionResult } from '../../cel/expressions.ts';
import { compileMatchConditions } from './match-conditions.ts';
import type { CompiledMatchConditions } from './match-conditions.ts';
import { PolicyCompiler } from './policy-compiler.ts';

/** Why a request is to be denied. */
export interface Denial {
  readonly message: string;
  /** A reason of the API's Status; Invalid where the policy names none. */
  readonly reason?: string;
  /** Which validation it was; undefined where it was none of them. */
  readonly index: number;
}

export interface PolicyOutcome {
  readonly denials: readonly Denial[];
  /** Errors of audit annotations, which deny whatever the binding's actions are. */
  readonly annotationErrors: readonly string[];
  readonly annotations: ReadonlyArray<readonly [key: string, value: string]>;
}

const NOTHING: PolicyOutcome = { denials: [], annotationErrors: [], annotations: [] };

/** A ValidatingAdmissionPolicy that is ready. Mirrors apiserver pkg/admission/plugin/policy/validating/validator.go. */
export class CompiledValidatingPolicy {
  readonly #validations: readonly Validation[];
  readonly #annotations: readonly AuditAnnotation[];
  readonly #ignoresErrors: boolean;
  readonly #authorizer: Authorizer;
  readonly #conditions: CompiledMatchConditions;
  readonly #variables: ReadonlyMap<string, CompiledExpression>;
  readonly #expressions: readonly CompiledExpression[];
  readonly #messages: ReadonlyArray<CompiledExpression | undefined>;
  readonly #values: readonly CompiledExpression[];

  constructor({ spec = {} }: ValidatingAdmissionPolicy, authorizer: Authorizer) {
    this.#authorizer = authorizer;
    this.#validations = spec.validations ?? [];
    this.#annotations = spec.auditAnnotations ?? [];
    this.#ignoresErrors = spec.failurePolicy === 'Ignore';
    const hasParams = spec.paramKind !== undefined;
    this.#conditions = compileMatchConditions(spec.matchConditions ?? [], { authorizer, hasParams });
    const compiler = new PolicyCompiler(hasParams, true);
    for (const variable of spec.variables ?? []) compiler.addVariable(variable);
    this.#variables = compiler.variables;
    this.#expressions = this.#validations.map(({ expression }) => compiler.compile(expression, [BOOL]));
    this.#messages = this.#validations.map(({ messageExpression }) =>
      messageExpression ? compiler.compile(messageExpression, [STRING], false) : undefined,
    );
    this.#values = this.#annotations.map(({ valueExpression }) =>
      compiler.compile(valueExpression, [STRING, NULL]),
    );
  }

  async evaluate(input: AdmissionInput): Promise<PolicyOutcome> {
    const condition = await this.#conditions.matches(input);
    if (condition.result === 'skip') return NOTHING;
    if (condition.result === 'error') return this.#failed(condition.message);
    const evaluator = new AdmissionEvaluator(input, this.#authorizer, this.#variables);
    try {
      const { results, remaining } = await evaluator.run(this.#expressions, EXPRESSIONS_BUDGET);
      const denials = await this.#denials(results, evaluator, remaining);
      const annotations = await evaluator.run(this.#values, EXPRESSIONS_BUDGET);
      return { denials, ...this.#annotated(annotations.results) };
    } catch (error) {
      if (!(error instanceof BudgetExceeded)) throw error;
      return this.#failed(error.message);
    }
  }

  #failed(message: string): PolicyOutcome {
    return this.#ignoresErrors ? NOTHING : { ...NOTHING, denials: [{ message, index: 0 }] };
  }

  async #denials(
    results: readonly ExpressionResult[],
    evaluator: AdmissionEvaluator,
    budget: number,
  ): Promise<Denial[]> {
    const denials: Denial[] = [];
    const messages = results.every((each) => 'value' in each && each.value === true)
      ? { texts: [], failure: undefined }
      : await this.#evaluateMessages(evaluator, budget);
    for (const [index, result] of results.entries()) {
      const validation = this.#validations[index];
      if (!validation) continue;
      if ('error' in result || messages.failure !== undefined) {
        const message = 'error' in result ? result.error : `failed messageExpression: ${messages.failure}`;
        if (!this.#ignoresErrors) denials.push({ message, index });
      } else if (result.value !== true) {
        const message =
          messages.texts[index] ||
          (validation.message ?? '').trim() ||
          `failed expression: ${validation.expression.trim()}`;
        denials.push({ message, reason: validation.reason ?? 'Invalid', index });
      }
    }
    return denials;
  }

  async #evaluateMessages(
    evaluator: AdmissionEvaluator,
    budget: number,
  ): Promise<{ texts: readonly string[]; failure: string | undefined }> {
    const present = this.#messages.filter((each) => each !== undefined);
    try {
      const { results } = await evaluator.run(present, budget);
      const texts = this.#messages.map((each) => (each ? usableMessage(results[present.indexOf(each)]) : ''));
      return { texts, failure: undefined };
    } catch (error) {
      if (!(error instanceof BudgetExceeded)) throw error;
      return { texts: [], failure: error.message };
    }
  }

  #annotated(results: readonly ExpressionResult[]): Pick<PolicyOutcome, 'annotations' | 'annotationErrors'> {
    const annotations: Array<readonly [string, string]> = [];
    const annotationErrors: string[] = [];
    for (const [index, result] of results.entries()) {
      const annotation = this.#annotations[index];
      if (!annotation) continue;
      if ('error' in result) {
        if (!this.#ignoresErrors) annotationErrors.push(result.error);
      } else if (typeof result.value === 'string') {
        const value = result.value.trim();
        if (value !== '') annotations.push([annotation.key, value]);
      } else if (result.value !== null) {
        annotationErrors.push(
          `valueExpression '${annotation.valueExpression}' resulted in unsupported return type: ${nameOf(result.value)}. Return type must be either string or null.`,
        );
      }
    }
    return { annotations, annotationErrors };
  }
}

/** '' where a message is none that may be shown: too long, or of several lines. */
export function usableMessage(result: ExpressionResult | undefined): string {
  if (!result || 'error' in result || typeof result.value !== 'string') return '';
  const text = result.value.trim();
  return Buffer.byteLength(text) > MAX_MESSAGE_BYTES || text.includes('\n') ? '' : text;
}
