import { costSize, ListValue, MapValue, OpaqueValue } from './values.ts';
import type { Value } from './values.ts';

/** What a call costs: by its arguments, before it is made, or also by its result, after. */
export interface CallCost {
  readonly before?: (args: readonly Value[]) => number;
  readonly after?: (args: readonly Value[], result: Value) => number;
}

/** What reading one character costs, against one step of evaluation. */
export const TRAVERSAL = 0.1;
/** A guess at how many states a pattern of some length makes. */
const REGEX = 0.25;
const CHECK_COST = 350_000;

const ONE: CallCost = { before: () => 1 };

function size(args: readonly Value[], index: number): number {
  const value = args[index];
  return value === undefined ? 1 : costSize(value);
}

function traverse(index: number, factor = TRAVERSAL): CallCost {
  return { before: (args) => Math.ceil(size(args, index) * factor) };
}

const SMALLER_OF_BOTH: CallCost = {
  before: (args) => Math.ceil(Math.min(size(args, 0), size(args, 1)) * TRAVERSAL),
};

/** One more than the length, so that an expensive pattern on an empty string costs too. */
function regexCost(text: number, pattern: number): number {
  return Math.ceil((1 + text) * TRAVERSAL) * Math.ceil(pattern * REGEX);
}

const MATCHES: CallCost = { before: (args) => regexCost(size(args, 0), size(args, 1)) };

const EQUALS: CallCost = {
  before: (args) => (args[0] instanceof OpaqueValue ? 1 : (SMALLER_OF_BOTH.before?.(args) ?? 1)),
};

/** Reading a whole value, to its leaves. */
function traversalCost(value: Value): number {
  if (typeof value === 'string') return Math.floor(Buffer.byteLength(value) * TRAVERSAL);
  if (value instanceof Uint8Array) return Math.floor(value.length * TRAVERSAL);
  let cost = 0;
  if (value instanceof ListValue) for (const item of value) cost += traversalCost(item);
  else if (value instanceof MapValue) {
    for (const key of value.keys()) cost += traversalCost(key) + traversalCost(value.get(key) ?? null);
  } else return 1;
  return cost;
}

function selfCompare(index: number): CallCost {
  return {
    before: (args) => {
      const list = args[index];
      if (!(list instanceof ListValue) || list.length === 0) return 11;
      const first = list.at(0);
      const factor = typeof first === 'string' || first instanceof Uint8Array ? 2 + TRAVERSAL : 2;
      return Math.floor(list.length * list.length * factor) + 11;
    },
  };
}

const RESULT_LIST: CallCost = { after: (_, result) => costSize(result) + 11 };

function setsCost(factor: number): CallCost {
  return { before: (args) => 1 + Math.floor(size(args, 0) * size(args, 1) * factor) };
}

/** As upstream: a selector is read, and makes a requirement for every two characters. */
const SELECTOR: CallCost = {
  before: (args) => {
    const length = size(args, 1);
    return 10 + Math.ceil(length * TRAVERSAL) + Math.ceil(Math.ceil(length * 0.5) * 50);
  },
};

const CONTAINS_IP: CallCost = { before: (args) => Math.ceil(size(args, 0) * 2 * TRAVERSAL) };
const CONTAINS_IP_STRING: CallCost = {
  before: (args) => Math.ceil(size(args, 0) * 2 * TRAVERSAL) + Math.ceil(size(args, 1) * TRAVERSAL),
};

function containsCidr(isString: boolean): CallCost {
  return {
    before: (args) => {
      const own = size(args, 0);
      const other = isString ? Math.ceil(size(args, 1) * TRAVERSAL) : 0;
      return Math.ceil(own * 2 * TRAVERSAL) + Math.ceil(own * TRAVERSAL) + 1 + other;
    },
  };
}

/** The longest pattern that a format of Kubernetes' library stands for. */
export abstract class CostlyFormat extends OpaqueValue {
  abstract readonly maxRegexSize: number;
}

const VALIDATE: CallCost = {
  before: (args) => {
    const [format] = args;
    return format instanceof CostlyFormat ? regexCost(size(args, 1), format.maxRegexSize) : 1;
  },
};

const JOIN: CallCost = { after: (_, result) => Math.ceil(costSize(result) * 2 * TRAVERSAL) };

/** By function, whatever the overload. Mirrors apiserver pkg/cel/library/cost.go. */
const BY_FUNCTION: ReadonlyMap<string, CallCost> = new Map<string, CallCost>([
  ['check', { before: () => CHECK_COST }],
  ['fieldSelector', SELECTOR],
  ['labelSelector', SELECTOR],
  ...['isSorted', 'sum', 'max', 'min', 'indexOf', 'lastIndexOf'].map(
    (name) => [name, { before: ([list]: readonly Value[]) => traversalCost(list ?? null) }] as const,
  ),
  ...['url', 'lowerAscii', 'upperAscii', 'substring', 'trim', 'jsonpatch.escapeKey'].map(
    (name) => [name, traverse(0)] as const,
  ),
  ...['cidr', 'isIP', 'isCIDR', 'quantity', 'isQuantity', 'semver', 'isSemver'].map(
    (name) => [name, traverse(0)] as const,
  ),
  ...['replace', 'split', 'ip.isCanonical'].map((name) => [name, traverse(0, 2 * TRAVERSAL)] as const),
  ['join', JOIN],
  ['find', MATCHES],
  ['findAll', MATCHES],
  ['validate', VALIDATE],
]);

const BY_OVERLOAD: ReadonlyMap<string, CallCost> = new Map<string, CallCost>([
  ['string_to_ip', traverse(0)],
  ['cidr_ip', ONE],
  ['cidr_contains_ip_string', CONTAINS_IP_STRING],
  ['cidr_contains_ip_ip', CONTAINS_IP],
  ['cidr_contains_cidr_string', containsCidr(true)],
  ['cidr_contains_cidr', containsCidr(false)],
  ['list_sets_contains_list', setsCost(1)],
  ['list_sets_intersects_list', setsCost(1)],
  ['list_sets_equivalent_list', setsCost(2)],
  ['list_slice', RESULT_LIST],
  ['lists_range', RESULT_LIST],
  ['list_reverse', RESULT_LIST],
  ['list_flatten', { before: (args) => size(args, 0) + 11 }],
  ['list_flatten_int', { before: (args) => Math.floor(size(args, 0) * Math.max(0, Number(args[1]))) + 11 }],
  ['list_distinct', selfCompare(0)],
  ['starts_with_string', traverse(0)],
  ['ends_with_string', traverse(0)],
  ['string_to_bytes', traverse(0)],
  ['bytes_to_string', traverse(0)],
  ['strings_quote', traverse(0)],
  ['string_format', traverse(0)],
  ['in_list', { before: (args) => size(args, 1) }],
  ['add_string', { before: (args) => Math.ceil((size(args, 0) + size(args, 1)) * TRAVERSAL) }],
  ['add_bytes', { before: (args) => Math.ceil((size(args, 0) + size(args, 1)) * TRAVERSAL) }],
  ['matches_string', MATCHES],
  [
    'contains_string',
    { before: (args) => Math.ceil(size(args, 0) * TRAVERSAL) * Math.ceil(size(args, 1) * TRAVERSAL) },
  ],
  ['equals', EQUALS],
  ['not_equals', SMALLER_OF_BOTH],
  ...['less', 'less_equals', 'greater', 'greater_equals'].flatMap((name) =>
    ['string', 'bytes'].map((type) => [`${name}_${type}`, SMALLER_OF_BOTH] as const),
  ),
]);

/** The cost of calling a function by one overload, or '' where values decide; undefined is 1 each. */
export function callCost(name: string, overload: string): CallCost | undefined {
  const found = BY_OVERLOAD.get(overload) ?? BY_FUNCTION.get(name);
  if (found) return found;
  if (/^list_\w+_sort$/.test(overload)) return selfCompare(0);
  return overload.endsWith('_sortByAssociatedKeys') ? selfCompare(1) : undefined;
}
