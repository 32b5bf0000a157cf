import { compile } from '../../cel/compile.ts';
import { estimateCost } from '../../cel/cost-estimate.ts';
import type { SizeEstimator } from '../../cel/cost-estimate.ts';
import { Environment } from '../../cel/environment.ts';
import { ObjectTypes } from '../../cel/object-types.ts';
import * as t from '../../cel/types.ts';
import { BASE_ENVIRONMENT, PER_CALL_LIMIT } from './base-environment.ts';

const TYPES = new ObjectTypes();
/** Attributes and capacities are maps by domain of maps by name. */
const ATTRIBUTES = t.mapOf(t.STRING, t.mapOf(t.STRING, t.ANY));
const CAPACITIES = t.mapOf(t.STRING, t.mapOf(t.STRING, t.struct('kubernetes.Quantity')));

const { options } = BASE_ENVIRONMENT;
/** Mirrors k8s.io/dynamic-resource-allocation cel/compile.go: the base, `device` and cel.bind. */
const DEVICE_ENVIRONMENT = new Environment({
  ...options,
  macros: { ...options.macros, bindings: true },
}).extend({
  variables: {
    device: TYPES.declare('kubernetes.DRADevice', {
      allowMultipleAllocations: t.BOOL,
      driver: t.STRING,
      attributes: ATTRIBUTES,
      capacity: CAPACITIES,
    }),
  },
  provider: TYPES,
});

/** The longest that each part of a device may be. */
const DRIVER = 63;
const DOMAIN = 63;
const NAME = 32;
const VALUE = 64;
const ENTRIES = 32;

const sizeOfDevice: SizeEstimator = ([root, field, ...rest]) => {
  if (root !== 'device') return undefined;
  const most = (max: number) => ({ min: 0, max });
  if (field === 'driver') return most(DRIVER);
  if (field === 'allowMultipleAllocations') return most(1);
  if (field !== 'attributes' && field !== 'capacity') return undefined;
  const [first, second] = rest;
  if (first === undefined) return most(ENTRIES);
  if (first === '@keys') return most(DOMAIN);
  if (first !== '@values' && first !== '@items') return undefined;
  if (second === undefined) return most(ENTRIES);
  if (second === '@keys') return most(NAME);
  return field === 'attributes' ? most(VALUE) : undefined;
};

export type SelectorProblem = { readonly invalid: string } | { readonly forbidden: string };

const MAX_KNOWN = 256;
/** Claims that come from one template have the same expressions. */
const known = new Map<string, SelectorProblem | undefined>();

/** What is wrong with an expression that chooses devices, in upstream's words; undefined where nothing is. */
export function deviceSelectorProblem(expression: string): SelectorProblem | undefined {
  if (known.has(expression)) return known.get(expression);
  const problem = check(expression);
  const [oldest] = known.keys();
  if (oldest !== undefined && known.size >= MAX_KNOWN) known.delete(oldest);
  known.set(expression, problem);
  return problem;
}

function check(expression: string): SelectorProblem | undefined {
  const result = compile(expression, DEVICE_ENVIRONMENT);
  if ('problem' in result) return { invalid: `compilation failed: ${result.problem}` };
  const { type, checked } = result.compiled;
  if (type.kind !== 'bool' && type.kind !== 'any') {
    return { invalid: `must evaluate to bool or the unknown type, not ${t.typeText(type)}` };
  }
  const { max } = estimateCost(checked, sizeOfDevice);
  return max > PER_CALL_LIMIT ? { forbidden: 'too complex, exceeds cost limit' } : undefined;
}
