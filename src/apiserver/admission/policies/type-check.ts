import type {
  ExpressionWarning,
  ValidatingAdmissionPolicy,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import { ANY } from '../../../cel/types.ts';
import type { Type } from '../../../cel/types.ts';
import type { TypeProvider } from '../../../cel/environment.ts';
import { PolicyCompiler } from './policy-compiler.ts';

const COMPILATION_FAILED = 'compilation failed: ';

/** A kind with its types; none where nothing is known of it. */
export interface TypedKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly types: (TypeProvider & { readonly root: Type }) | undefined;
}

/**
 * What the expressions of a policy get wrong about the kinds that it is for. Mirrors apiserver
 * pkg/admission/plugin/policy/validating/typechecking.go.
 */
export function typeWarnings(
  policy: ValidatingAdmissionPolicy,
  kinds: readonly TypedKind[],
  params: TypedKind | undefined,
): ExpressionWarning[] {
  const compilers = kinds.map((kind) => ({ kind, compiler: compilerFor(policy, kind, params) }));
  const warnings: ExpressionWarning[] = [];
  const check = (fieldRef: string, expression: string): void => {
    const found = compilers.flatMap(({ kind, compiler }) => {
      const { problem } = compiler.compile(expression, [ANY]);
      return problem === undefined ? [] : [`${nameOf(kind)}: ${problem.slice(COMPILATION_FAILED.length)}\n`];
    });
    if (found.length > 0) warnings.push({ fieldRef, warning: found.join('\n') });
  };
  for (const [index, { expression, messageExpression }] of (policy.spec?.validations ?? []).entries()) {
    check(`spec.validations[${index}].expression`, expression);
    if (messageExpression) check(`spec.validations[${index}].messageExpression`, messageExpression);
  }
  return warnings;
}

function compilerFor(
  { spec = {} }: ValidatingAdmissionPolicy,
  { types }: TypedKind,
  params: TypedKind | undefined,
): PolicyCompiler {
  const compiler = new PolicyCompiler(spec.paramKind !== undefined, true, [
    ...(types ? [{ variables: { object: types.root, oldObject: types.root }, provider: types }] : []),
    ...(params?.types ? [{ variables: { params: params.types.root }, provider: params.types }] : []),
  ]);
  for (const variable of spec.variables ?? []) compiler.addVariable(variable);
  return compiler;
}

const nameOf = ({ group, version, kind }: TypedKind): string => `${group}/${version}, Kind=${kind}`;
