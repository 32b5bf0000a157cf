import type { ValidationRule } from '../../../api/gen/types/apiextensions-v1.ts';
import { compile } from '../../../cel/compile.ts';
import { estimateCost } from '../../../cel/cost-estimate.ts';
import type { SizeEstimator } from '../../../cel/cost-estimate.ts';
import type { Environment } from '../../../cel/environment.ts';
import type { Program } from '../../../cel/frame.ts';
import { BOOL, optionalOf, STRING } from '../../../cel/types.ts';
import { BASE_ENVIRONMENT } from '../../cel/base-environment.ts';
import type { SchemaNode } from '../schema-node.ts';
import { readFieldPath } from './field-path.ts';
import { DeclaredTypes, maxCardinality, sizesOf } from './schema-types.ts';
import type { Declared } from './schema-types.ts';

/** A rule of a schema; without `program` it is empty, or `problem` says what is wrong with it. */
export interface CompiledRule {
  readonly rule: ValidationRule;
  readonly program: Program | undefined;
  readonly problem: string | undefined;
  readonly usesOldSelf: boolean;
  /** The most that it may cost once. */
  readonly maxCost: number;
  /** How often it may be evaluated for one object, where its schema does not say. */
  readonly maxCardinality: number;
  readonly message: Program | undefined;
  readonly messageProblem: string | undefined;
  readonly messageMaxCost: number;
  /** Below the rule's own value: '' is the value itself. */
  readonly fieldPath: string;
}

/** Mirrors Compile of apiextensions-apiserver pkg/apiserver/schema/cel/compilation.go. */
export function compileRules(
  rules: readonly ValidationRule[],
  node: SchemaNode,
  declared: Declared,
): CompiledRule[] {
  const types = new DeclaredTypes(declared, 'selfType');
  const withOldSelf = (optional: boolean): Environment =>
    BASE_ENVIRONMENT.extend({
      variables: { self: types.root, oldSelf: optional ? optionalOf(types.root) : types.root },
      provider: types,
    });
  const environments = { plain: withOldSelf(false), optional: withOldSelf(true) };
  const sizes = sizesOf(declared);
  const cardinality = maxCardinality(declared);
  return rules.map((rule) => {
    const environment = rule.optionalOldSelf ? environments.optional : environments.plain;
    return compileRule(rule, node, environment, sizes, cardinality);
  });
}

function compileRule(
  rule: ValidationRule,
  node: SchemaNode,
  environment: Environment,
  sizes: SizeEstimator,
  cardinality: number,
): CompiledRule {
  const empty: CompiledRule = {
    rule,
    program: undefined,
    problem: undefined,
    usesOldSelf: false,
    maxCost: 0,
    maxCardinality: 0,
    message: undefined,
    messageProblem: undefined,
    messageMaxCost: 0,
    fieldPath: '',
  };
  if (rule.rule.trim() === '') return empty;
  const result = compile(rule.rule, environment);
  if ('problem' in result) return { ...empty, problem: `compilation failed: ${result.problem}` };
  const { checked, type, program } = result.compiled;
  if (type !== BOOL) return { ...empty, problem: 'cel expression must evaluate to a bool' };
  const usesOldSelf = [...checked.references.values()].some(
    (each) => each.kind === 'variable' && each.name === 'oldSelf',
  );
  return {
    ...empty,
    program,
    usesOldSelf,
    maxCost: estimateCost(checked, sizes).max,
    maxCardinality: cardinality,
    fieldPath: rule.fieldPath ? (readFieldPath(rule.fieldPath, node) ?? '') : '',
    ...compileMessage(rule.messageExpression, environment, sizes),
  };
}

function compileMessage(
  expression: string | undefined,
  environment: Environment,
  sizes: SizeEstimator,
): Partial<CompiledRule> {
  if (!expression) return {};
  const result = compile(expression, environment);
  if ('problem' in result)
    return { messageProblem: `messageExpression compilation failed: ${result.problem}` };
  const { checked, type, program } = result.compiled;
  if (type !== STRING) return { messageProblem: 'messageExpression must evaluate to a string' };
  return { message: program, messageMaxCost: estimateCost(checked, sizes).max };
}
