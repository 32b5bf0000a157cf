import type { Variable } from '../../../api/gen/types/admissionregistration-v1.ts';
import type { Environment, EnvironmentOptions } from '../../../cel/environment.ts';
import { ObjectTypes } from '../../../cel/object-types.ts';
import { ANY, DYN, listOf, mapOf } from '../../../cel/types.ts';
import type { Type } from '../../../cel/types.ts';
import { admissionEnvironment } from '../../cel/admission-types.ts';
import { compileExpression } from '../../cel/expressions.ts';
import type { CompiledExpression } from '../../cel/expressions.ts';

const VARIABLES = 'kubernetes.variables';
const SIMPLE: ReadonlySet<string> = new Set([
  'any',
  'bool',
  'bytes',
  'double',
  'duration',
  'int',
  'null',
  'string',
  'timestamp',
  'uint',
]);

type More = Partial<Pick<EnvironmentOptions, 'functions' | 'variables' | 'provider'>>;

/**
 * Compiles the expressions of one policy: each variable is known to those after it. Mirrors apiserver
 * pkg/admission/plugin/cel/composition.go.
 */
export class PolicyCompiler {
  readonly variables = new Map<string, CompiledExpression>();
  readonly #types = new ObjectTypes();
  readonly #withAuthorizer: Environment;
  readonly #withoutAuthorizer: Environment;

  /** `hasVariables` is false where a policy has none: then there is no `variables` either. */
  constructor(hasParams: boolean, hasVariables: boolean, more: readonly More[] = []) {
    const declared = this.#types.declare(VARIABLES, {});
    const own: More = hasVariables ? { variables: { variables: declared }, provider: this.#types } : {};
    const environment = (hasAuthorizer: boolean): Environment =>
      more.reduce<Environment>(
        (before, each) => before.extend(each),
        admissionEnvironment({ hasParams, hasAuthorizer }, own),
      );
    this.#withAuthorizer = environment(true);
    this.#withoutAuthorizer = environment(false);
  }

  compile(expression: string, types: readonly Type[], hasAuthorizer = true): CompiledExpression {
    return compileExpression(
      expression,
      hasAuthorizer ? this.#withAuthorizer : this.#withoutAuthorizer,
      types,
    );
  }

  addVariable({ name, expression }: Variable): CompiledExpression {
    const compiled = this.compile(expression, [ANY]);
    this.variables.set(name, compiled);
    this.#types.addField(VARIABLES, name, fieldType(compiled.type));
    return compiled;
  }
}

/** The type of a variable as others see it: objects are not known by their fields any more. */
function fieldType(type: Type | undefined): Type {
  if (!type) return DYN;
  if (SIMPLE.has(type.kind)) return type;
  const [first, second] = type.params;
  if (type.kind === 'list') return listOf(fieldType(first));
  return type.kind === 'map' ? mapOf(fieldType(first), fieldType(second)) : DYN;
}
