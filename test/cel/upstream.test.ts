import test from 'ava';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { compile } from '../../src/cel/compile.ts';
import { estimateCost } from '../../src/cel/cost-estimate.ts';
import { typeText } from '../../src/cel/types.ts';
import { answerOf, plainValue, readCelFixture } from '../helpers/cel.ts';

interface Case {
  readonly expr: string;
  readonly problem?: string;
  readonly type?: string;
  readonly value?: unknown;
  readonly error?: string;
  readonly cost?: number;
  readonly min?: number;
  readonly max?: number;
}

const { cases } = readCelFixture('upstream') as { cases: Case[] };

test('expressions do not compile for the reasons that upstream gives', (t) => {
  for (const { expr, problem } of cases) {
    const result = compile(expr, BASE_ENVIRONMENT);
    t.is('problem' in result ? result.problem : undefined, problem, expr);
  }
});

test('types are those that upstream finds', (t) => {
  for (const { expr, type } of cases) {
    const result = compile(expr, BASE_ENVIRONMENT);
    if (type !== undefined && 'compiled' in result) t.is(typeText(result.compiled.type), type, expr);
  }
});

test('values and errors are those of upstream', (t) => {
  for (const { expr, problem, value, error } of cases) {
    if (problem !== undefined) continue;
    const answer = answerOf(expr);
    t.is('error' in answer ? answer.error : undefined, error, expr);
    const plain = 'value' in answer ? plainValue(answer.value) : undefined;
    if (value !== undefined && plain !== undefined) t.deepEqual(plain, value, expr);
  }
});

test('each evaluation costs what upstream takes for it', (t) => {
  for (const { expr, problem, error, cost } of cases) {
    const answer = problem === undefined && error === undefined ? answerOf(expr) : undefined;
    if (answer && 'cost' in answer) t.is(answer.cost, cost, expr);
  }
});

test('costs are estimated as upstream estimates them', (t) => {
  for (const { expr, min, max } of cases) {
    const result = compile(expr, BASE_ENVIRONMENT);
    if (min === undefined || 'problem' in result) continue;
    const estimate = estimateCost(result.compiled.checked, () => undefined);
    t.is(estimate.min, min, expr);
    if (max !== undefined) t.is(estimate.max, max, expr);
  }
});
