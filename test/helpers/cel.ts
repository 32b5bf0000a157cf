import { readFileSync } from 'node:fs';
import { BASE_ENVIRONMENT } from '../../src/apiserver/cel/base-environment.ts';
import { compile } from '../../src/cel/compile.ts';
import type { Environment } from '../../src/cel/environment.ts';
import { dynamicValue } from '../../src/cel/json-values.ts';
import { ListValue, MapValue, Optional, Uint } from '../../src/cel/values.ts';
import type { Value } from '../../src/cel/values.ts';

export function readCelFixture(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/cel/${name}.json`, import.meta.url), 'utf8'));
}

export type Answer = { problem: string } | { error: string; cost?: number } | { value: Value; cost: number };

/** What an expression gives; throws what is not the language's own error. */
export function answerOf(
  expression: string,
  bindings: Readonly<Record<string, Value>> = {},
  environment: Environment = BASE_ENVIRONMENT,
  limit = 1_000_000,
): Answer {
  const result = compile(expression, environment);
  if ('problem' in result) return result;
  try {
    return result.compiled.program.evaluate({ resolve: (name) => bindings[name] }, limit);
  } catch (error) {
    if (!(error instanceof Error) || !['EvaluationError', 'CostExceeded'].includes(error.name)) throw error;
    return { error: error.message };
  }
}

/** As Go turns values to JSON; undefined of what has no such form. */
export function plainValue(value: Value): unknown {
  // Go writes no -0.
  if (value === 0) return 0;
  if (value === null || ['boolean', 'string', 'number'].includes(typeof value)) return value;
  if (value instanceof Uint) return plainValue(value.value);
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Optional) return value.value === undefined ? 'optional.none' : plainValue(value.value);
  if (value instanceof ListValue) return [...value].map(plainValue);
  if (!(value instanceof MapValue)) return undefined;
  const entries = [...value.keys()].map((key) => [
    String(plainValue(key)),
    plainValue(value.get(key) ?? null),
  ]);
  return Object.fromEntries(entries) as unknown;
}

/** A JSON value as an expression that knows no schema sees it. */
export const jsonValueOf = (value: unknown): Value => dynamicValue(value);
