import type { MatchCondition } from '../../../api/gen/types/admissionregistration-v1.ts';
import { BOOL } from '../../../cel/types.ts';
import type { Authorizer } from '../../authorization.ts';
import { admissionEnvironment } from '../../cel/admission-types.ts';
import { MATCH_CONDITIONS_BUDGET } from '../../cel/base-environment.ts';
import { AdmissionEvaluator, BudgetExceeded, compileExpression } from '../../cel/expressions.ts';
import type { AdmissionInput } from '../../cel/expressions.ts';
import { aggregateText, at, child, duplicate, invalid, required, tooMany } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { qualifiedName } from '../../resources/validation/formats.ts';

const MAX_CONDITIONS = 64;

/**
 * 'match': all conditions hold. 'skip': one is false (its name is in `condition`). 'error': none is false, but
 * some could not be evaluated; the caller applies its failure policy.
 */
export type MatchResult =
  | { readonly result: 'match' }
  | { readonly result: 'skip'; readonly condition: string }
  | { readonly result: 'error'; readonly message: string };

/** Conditions, compiled once for each generation of their webhook or policy. */
export interface CompiledMatchConditions {
  matches(input: AdmissionInput): Promise<MatchResult>;
}

interface MatchConditionOptions {
  readonly authorizer: Authorizer;
  /** Policies with a paramKind have `params`. */
  readonly hasParams?: boolean;
}

/** Mirrors apiserver pkg/admission/plugin/webhook/matchconditions/matcher.go. */
export function compileMatchConditions(
  conditions: readonly MatchCondition[],
  { authorizer, hasParams = false }: MatchConditionOptions,
): CompiledMatchConditions {
  const environment = admissionEnvironment({ hasParams, hasAuthorizer: true });
  const compiled = conditions.map(({ expression }) => compileExpression(expression, environment, [BOOL]));
  return {
    async matches(input) {
      if (compiled.length === 0) return { result: 'match' };
      try {
        const { results } = await new AdmissionEvaluator(input, authorizer).run(
          compiled,
          MATCH_CONDITIONS_BUDGET,
        );
        const wrong = results.findIndex((each) => 'value' in each && each.value === false);
        if (wrong >= 0) return { result: 'skip', condition: conditions[wrong]?.name ?? '' };
        const errors = results.flatMap((each) => ('error' in each ? [each.error] : []));
        return errors.length === 0
          ? { result: 'match' }
          : { result: 'error', message: aggregateText(errors) };
      } catch (error) {
        if (!(error instanceof BudgetExceeded)) throw error;
        return { result: 'error', message: error.message };
      }
    },
  };
}

/** Checks names and expressions, with upstream's texts; `path` is that of the list. */
export function validateMatchConditions(
  conditions: readonly MatchCondition[],
  path: string,
  { hasParams = false }: { hasParams?: boolean } = {},
): FieldError[] {
  const errors: FieldError[] = [];
  if (conditions.length > MAX_CONDITIONS) errors.push(tooMany(path, conditions.length, MAX_CONDITIONS));
  const environment = admissionEnvironment({ hasParams, hasAuthorizer: true });
  const names = new Set<string>();
  for (const [index, { name, expression }] of conditions.entries()) {
    const where = at(path, index);
    const trimmed = (expression ?? '').trim();
    if (trimmed === '') errors.push(required(child(where, 'expression')));
    else {
      const { problem } = compileExpression(trimmed, environment, [BOOL]);
      if (problem !== undefined) errors.push(invalid(child(where, 'expression'), trimmed, problem));
    }
    if (!name) errors.push(required(child(where, 'name')));
    else {
      for (const problem of qualifiedName(name)) errors.push(invalid(child(where, 'name'), name, problem));
      if (names.has(name)) errors.push(duplicate(child(where, 'name'), name));
      names.add(name);
    }
  }
  return errors;
}
