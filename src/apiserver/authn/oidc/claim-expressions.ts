import { dynamicValue } from '../../../cel/json-values.ts';
import * as t from '../../../cel/types.ts';
import { ListValue } from '../../../cel/values.ts';
import type { Value } from '../../../cel/values.ts';
import { BASE_ENVIRONMENT, PER_CALL_LIMIT } from '../../cel/base-environment.ts';
import { compileExpression } from '../../cel/expressions.ts';
import { SlipwayError } from '../../../base/errors.ts';

/** An expression over `claims`, or over `user`. */
export type ClaimExpression = (value: unknown) => Value;

const ENVIRONMENTS = {
  claims: BASE_ENVIRONMENT.extend({ variables: { claims: t.mapOf(t.STRING, t.DYN) } }),
  user: BASE_ENVIRONMENT.extend({ variables: { user: t.DYN } }),
};

/** Compiles; throws E_OIDC where the expression is none, or gives something else than it should. */
export function claimExpression(
  expression: string,
  variable: 'claims' | 'user',
  wanted: 'bool' | 'any',
): ClaimExpression {
  const types = wanted === 'bool' ? [t.BOOL] : [t.ANY];
  const { program, problem } = compileExpression(expression, ENVIRONMENTS[variable], types);
  if (!program) throw new SlipwayError('E_OIDC', `the expression ${JSON.stringify(expression)}: ${problem}`);
  return (value) => {
    const known = dynamicValue(value);
    const activation = { resolve: (name: string) => (name === variable ? known : undefined) };
    return program.evaluate(activation, PER_CALL_LIMIT).value;
  };
}

/** '' and null are none; undefined for what is neither string nor list of strings. */
export function stringsOfValue(value: Value): string[] | undefined {
  if (value === null) return [];
  if (typeof value === 'string') return value === '' ? [] : [value];
  if (!(value instanceof ListValue)) return undefined;
  const strings: string[] = [];
  for (const element of value) {
    if (typeof element !== 'string') return undefined;
    if (element !== '') strings.push(element);
  }
  return strings;
}
