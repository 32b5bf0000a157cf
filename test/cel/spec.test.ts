import test from 'ava';
import type { ExecutionContext } from 'ava';
import { compile } from '../../src/cel/compile.ts';
import { Environment } from '../../src/cel/environment.ts';
import { STANDARD_FUNCTIONS, STANDARD_TYPES } from '../../src/cel/standard.ts';
import { formatType, readType } from '../../src/cel/types.ts';
import { ArrayList, EntryMap, nameOf, TypeValue, Uint, valuesEqual } from '../../src/cel/values.ts';
import type { Value } from '../../src/cel/values.ts';
import { answerOf, readCelFixture } from '../helpers/cel.ts';

interface SpecValue {
  readonly int64Value?: string;
  readonly uint64Value?: string;
  readonly doubleValue?: number | string;
  readonly stringValue?: string;
  readonly bytesValue?: string;
  readonly boolValue?: boolean;
  readonly typeValue?: string;
  readonly listValue?: { readonly values?: readonly SpecValue[] };
  readonly mapValue?: { readonly entries?: ReadonlyArray<{ key: SpecValue; value: SpecValue }> };
}

interface Case {
  readonly name: string;
  readonly expr: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly bindings?: Readonly<Record<string, SpecValue>>;
  readonly value?: SpecValue;
  readonly fails?: boolean;
  readonly checkOnly?: boolean;
  readonly type?: string;
}

interface Problem {
  readonly expr: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly macros?: boolean;
  readonly problem: string;
}

const { cases, problems } = readCelFixture('spec') as { cases: Case[]; problems: Problem[] };

function environment(declared: Readonly<Record<string, string>> = {}, hasMacros = true): Environment {
  const variables = Object.entries(declared).map(([name, type]) => [name, readType(type)] as const);
  return new Environment({
    functions: STANDARD_FUNCTIONS,
    typeNames: STANDARD_TYPES,
    variables: Object.fromEntries(variables),
    macros: { optionals: hasMacros, twoVariables: hasMacros },
  });
}

function valueOf(given: SpecValue): Value {
  if (given.int64Value !== undefined) return BigInt(given.int64Value);
  if (given.uint64Value !== undefined) return new Uint(BigInt(given.uint64Value));
  if (given.doubleValue !== undefined) return Number(given.doubleValue);
  if (given.stringValue !== undefined) return given.stringValue;
  if (given.bytesValue !== undefined) return Buffer.from(given.bytesValue, 'base64');
  if (given.boolValue !== undefined) return given.boolValue;
  if (given.typeValue !== undefined)
    return new TypeValue(STANDARD_TYPES.get(given.typeValue) ?? readType('dyn'));
  if (given.listValue) return new ArrayList((given.listValue.values ?? []).map(valueOf));
  if (!given.mapValue) return null;
  const map = new EntryMap();
  for (const { key, value } of given.mapValue.entries ?? []) map.insert(valueOf(key), valueOf(value));
  return map;
}

function holds(t: ExecutionContext, { name, expr, variables, bindings = {}, ...expected }: Case): void {
  const own = environment(variables);
  const result = compile(expr, own);
  if ('compiled' in result && expected.type !== undefined)
    t.is(formatType(result.compiled.type), expected.type, name);
  const given = Object.entries(bindings).map(([key, value]) => [key, valueOf(value)] as const);
  const answer = answerOf(expr, Object.fromEntries(given), own);
  if (expected.fails) {
    t.false('value' in answer, name);
  } else if (expected.checkOnly) {
    t.true('compiled' in result, name);
  } else if ('value' in answer && expected.value) {
    const wanted = valueOf(expected.value);
    const areNoNumbers = Number.isNaN(wanted) && Number.isNaN(answer.value);
    t.is(nameOf(answer.value), nameOf(wanted), name);
    t.true(areNoNumbers || valuesEqual(answer.value, wanted), `${name}: ${expr}`);
  } else t.fail(`${name}: ${JSON.stringify(answer)}`);
}

for (const part of new Set(cases.map(({ name }) => name.split('/')[0] ?? ''))) {
  test(`the specification's cases of ${part}`, (t) => {
    for (const each of cases) if (each.name.startsWith(`${part}/`)) holds(t, each);
  });
}

test('what is wrong is said as cel-go says it', (t) => {
  for (const { expr, variables, macros, problem } of problems) {
    const answer = answerOf(expr, {}, environment(variables, macros));
    t.is('problem' in answer ? answer.problem : undefined, problem, expr);
  }
});
