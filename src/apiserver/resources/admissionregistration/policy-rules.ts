import type {
  AuditAnnotation,
  MatchCondition,
  MatchResources,
  Mutation,
  ParamKind,
  ValidatingAdmissionPolicySpec,
  MutatingAdmissionPolicySpec,
  Validation,
  Variable,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import { BOOL, NULL, STRING } from '../../../cel/types.ts';
import { RESERVED } from '../../../cel/syntax.ts';
import { validateMatchConditions } from '../../admission/policies/match-conditions.ts';
import { compileMutation, mutationCompiler } from '../../admission/policies/mutating-policy.ts';
import { PolicyCompiler } from '../../admission/policies/policy-compiler.ts';
import type { CompiledExpression } from '../../cel/expressions.ts';
import { at, child, duplicate, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { sameJson } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';
import { validateMatchResources, validateMutatingOperations, validateParamKind } from './match-resources.ts';

const MAX_ANNOTATIONS = 20;
const MAX_VALUE_EXPRESSION_BYTES = 5 * 1024;
const FAILURE_POLICIES = ['Fail', 'Ignore'];
const REASONS = ['Forbidden', 'Invalid', 'RequestEntityTooLarge'];
const PATCH_TYPES = ['ApplyConfiguration', 'JSONPatch'];
const REINVOCATIONS = ['IfNeeded', 'Never'];
const LITERALS: ReadonlySet<string> = new Set(['true', 'false', 'null', 'in']);

interface PolicySpec {
  failurePolicy?: string;
  paramKind?: ParamKind;
  matchConstraints?: MatchResources;
  matchConditions?: MatchCondition[];
}

/** What policies of both kinds have. Mirrors pkg/apis/admissionregistration/validation/validation.go. */
function validateCommon(spec: PolicySpec, old: PolicySpec | undefined): FieldError[] {
  const errors: FieldError[] = [];
  const { failurePolicy, paramKind, matchConstraints, matchConditions = [] } = spec;
  if (failurePolicy === undefined) errors.push(required('spec.failurePolicy'));
  else if (!FAILURE_POLICIES.includes(failurePolicy)) {
    errors.push(notSupported('spec.failurePolicy', failurePolicy, FAILURE_POLICIES));
  }
  if (paramKind) errors.push(...validateParamKind('spec.paramKind', paramKind));
  if (!matchConstraints) errors.push(required('spec.matchConstraints'));
  else {
    errors.push(...validateMatchResources('spec.matchConstraints', matchConstraints));
    if (!matchConstraints.resourceRules?.length) errors.push(required('spec.matchConstraints.resourceRules'));
  }
  // What was accepted under an older version stays.
  const isUnchanged =
    old && sameJson(old.paramKind, paramKind) && sameJson(old.matchConditions ?? [], matchConditions);
  if (!isUnchanged) {
    const hasParams = paramKind !== undefined;
    errors.push(...validateMatchConditions(matchConditions, 'spec.matchConditions', { hasParams }));
  }
  return errors;
}

function checkExpression(
  errors: FieldError[],
  path: string,
  { expression, problem }: CompiledExpression,
): void {
  if (problem !== undefined) errors.push(invalid(path, expression, problem));
}

function validateVariables(compiler: PolicyCompiler, variables: readonly Variable[]): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { name = '', expression = '' }] of variables.entries()) {
    const path = at('spec.variables', index);
    const isIdentifier = /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(name) && !RESERVED.has(name) && !LITERALS.has(name);
    if (name.trim() === '') errors.push(required(child(path, 'name'), 'name is not specified'));
    else if (!isIdentifier) errors.push(invalid(child(path, 'name'), name, 'must be a valid CEL identifier'));
    if (expression.trim() === '')
      errors.push(required(child(path, 'expression'), 'expression is not specified'));
    else checkExpression(errors, child(path, 'expression'), compiler.addVariable({ name, expression }));
  }
  return errors;
}

export function validateValidatingSpec(
  spec: ValidatingAdmissionPolicySpec,
  name: string,
  old?: ValidatingAdmissionPolicySpec,
): FieldError[] {
  const errors = validateCommon(spec, old);
  const { validations = [], auditAnnotations = [], variables = [], paramKind } = spec;
  const compiler = new PolicyCompiler(paramKind !== undefined, variables.length > 0);
  errors.push(...validateVariables(compiler, variables));
  if (validations.length === 0 && auditAnnotations.length === 0) {
    const why = 'validations or auditAnnotations must contain at least one item';
    return [...errors, required('spec.validations', why), required('spec.auditAnnotations', why)];
  }
  for (const [index, validation] of validations.entries()) {
    errors.push(...validateValidation(compiler, validation, at('spec.validations', index)));
  }
  return [...errors, ...validateAnnotations(compiler, auditAnnotations, name)];
}

function validateValidation(compiler: PolicyCompiler, validation: Validation, path: string): FieldError[] {
  const errors: FieldError[] = [];
  // The schema demands what JSON may still leave out: the server's own objects pass here before they are checked.
  const { messageExpression = '', message = '', reason } = validation;
  const expression = validation.expression ?? '';
  if (expression.trim() === '')
    errors.push(required(child(path, 'expression'), 'expression is not specified'));
  else checkExpression(errors, child(path, 'expression'), compiler.compile(expression, [BOOL]));
  const where = child(path, 'messageExpression');
  if (messageExpression !== '' && messageExpression.trim() === '') {
    errors.push(invalid(where, messageExpression, 'must be non-empty if specified'));
  } else if (messageExpression !== '') {
    checkExpression(errors, where, compiler.compile(messageExpression, [STRING], false));
  }
  if (message !== '' && message.trim() === '') {
    errors.push(invalid(child(path, 'message'), message, 'must be non-empty if specified'));
  } else if (/[\n\r]/.test(message.trim())) {
    errors.push(invalid(child(path, 'message'), message, 'must not contain line breaks'));
  }
  if (reason !== undefined && !REASONS.includes(reason)) {
    errors.push(notSupported(child(path, 'reason'), reason, REASONS));
  }
  return errors;
}

function validateAnnotations(
  compiler: PolicyCompiler,
  annotations: readonly AuditAnnotation[],
  policy: string,
): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations.length > MAX_ANNOTATIONS) {
    const why = `must not have more than ${MAX_ANNOTATIONS} auditAnnotations`;
    errors.push(invalid('spec.auditAnnotations', annotations, why));
  }
  const keys = new Set<string>();
  for (const [index, { key = '', valueExpression = '' }] of annotations.entries()) {
    const path = at('spec.auditAnnotations', index);
    const full = `${policy}/${key}`;
    if (policy === '') errors.push(invalid(child(path, 'key'), key, 'requires metadata.name be non-empty'));
    else for (const problem of qualifiedName(full)) errors.push(invalid(child(path, 'key'), full, problem));
    const where = child(path, 'valueExpression');
    const trimmed = valueExpression.trim();
    if (trimmed === '') errors.push(required(where, 'valueExpression is not specified'));
    else if (Buffer.byteLength(trimmed) > MAX_VALUE_EXPRESSION_BYTES) {
      errors.push(required(where, `must not exceed ${MAX_VALUE_EXPRESSION_BYTES} bytes in length`));
    } else {
      const { problem } = compiler.compile(trimmed, [STRING, NULL]);
      if (problem !== undefined) errors.push(invalid(where, valueExpression, problem));
    }
    if (keys.has(key)) errors.push(duplicate(child(path, 'key'), key));
    keys.add(key);
  }
  return errors;
}

export function validateMutatingSpec(
  spec: MutatingAdmissionPolicySpec,
  old?: MutatingAdmissionPolicySpec,
): FieldError[] {
  const errors = validateCommon(spec, old);
  const { mutations = [], variables = [], paramKind, reinvocationPolicy = '' } = spec;
  errors.push(...validateMutatingOperations('spec.matchConstraints', spec.matchConstraints));
  const compiler = mutationCompiler(paramKind !== undefined);
  errors.push(...validateVariables(compiler, variables));
  if (mutations.length === 0)
    errors.push(required('spec.mutations', 'mutations must contain at least one item'));
  for (const [index, mutation] of mutations.entries()) {
    errors.push(...validateMutation(compiler, mutation, at('spec.mutations', index)));
  }
  if (reinvocationPolicy === '') errors.push(required('spec.reinvocationPolicy'));
  else if (!REINVOCATIONS.includes(reinvocationPolicy)) {
    errors.push(notSupported('spec.reinvocationPolicy', reinvocationPolicy, REINVOCATIONS));
  }
  return errors;
}

function validateMutation(compiler: PolicyCompiler, mutation: Mutation, path: string): FieldError[] {
  const { patchType } = mutation;
  if (!patchType) return [required(child(path, 'patchType'))];
  if (!PATCH_TYPES.includes(patchType))
    return [notSupported(child(path, 'patchType'), patchType, PATCH_TYPES)];
  const errors: FieldError[] = [];
  const [wanted, other] =
    patchType === 'JSONPatch'
      ? (['jsonPatch', 'applyConfiguration'] as const)
      : (['applyConfiguration', 'jsonPatch'] as const);
  const given = mutation[wanted];
  if (!given) {
    errors.push(required(child(path, wanted), `must be specified when patchType is ${patchType}`));
  } else {
    const where = child(path, wanted, 'expression');
    const expression = (given.expression ?? '').trim();
    if (expression === '') errors.push(required(where));
    else checkExpression(errors, where, compileMutation(compiler, { patchType, [wanted]: { expression } }));
  }
  if (mutation[other]) {
    errors.push(
      invalid(child(path, other), `{${other}}`, `must not be specified when patchType is ${patchType}`),
    );
  }
  return errors;
}
