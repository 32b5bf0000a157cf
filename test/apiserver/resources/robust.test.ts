import test from 'ava';
import * as fc from 'fast-check';
import type { KubeObject } from '../../../src/api/resource.ts';
import { schemaForKind } from '../../../src/api/schema.ts';
import { fieldErrorText } from '../../../src/apiserver/field-error.ts';
import type { ResourceDefinition } from '../../../src/apiserver/resource-definition.ts';
import { StatusError } from '../../../src/apiserver/status-errors.ts';
import { arbitraryOf } from '../../helpers/schema-arbitrary.ts';
import { created, definitions, strategyContext } from './rows.ts';

/** Objects that pass the decoder and make no sense: rules must find errors in them, and never break. */
const RUNS = 60;

async function exercise(
  definition: ResourceDefinition,
  first: KubeObject,
  second: KubeObject,
): Promise<void> {
  const { strategy } = definition;
  const old = (await created(definition, copy(first))).object;
  const now = (await created(definition, copy(second))).object;
  for (const error of (await created(definition, copy(first))).errors) fieldErrorText(error);
  const parts = [undefined, ...(definition.subresources ?? [])];
  for (const part of parts) {
    if (part !== undefined && part.type !== 'part') continue;
    const rules = part ?? strategy;
    const object = copy(now);
    rules?.prepareForUpdate?.(object, old, strategyContext);
    for (const error of (await rules?.validateUpdate?.(object, old, strategyContext)) ?? [])
      fieldErrorText(error);
  }
  for (const column of definition.columns ?? []) column.cell(old, strategyContext.now);
  definition.fields?.(old);
  strategy?.gracePeriodSeconds?.(old, {}, strategyContext);
}

function copy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(copy) as T;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, copy(member)])) as T;
}

for (const definition of definitions) {
  const { group, version, kind, resource } = definition.info;
  const schema = schemaForKind(group, version, kind);
  if (definition.virtual || !schema) continue;
  test(`rules of ${resource}.${version}.${group || 'core'} survive any object`, async (t) => {
    const objects = arbitraryOf(schema);
    const property = fc.asyncProperty(objects, objects, async (first, second) => {
      try {
        await exercise(definition, first, second);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
      }
    });
    const run = await fc.check(property, { seed: 20260102, numRuns: RUNS });
    const { errorInstance: error } = run;
    t.is(error instanceof Error ? error.stack : error, null, fc.stringify(run.counterexample));
  });
}
