import type { SizeEstimator } from './cost-estimate.ts';
import { fixed, plus, scaled, times, UNBOUNDED, UNKNOWN, ZERO } from './estimate.ts';
import type { Estimate } from './estimate.ts';
import { TRAVERSAL } from './runtime-cost.ts';
import { sameType } from './types.ts';
import type { Type } from './types.ts';
import type { Value } from './values.ts';

/** An argument, as far as its size matters. */
export interface CostNode {
  readonly path: readonly string[];
  readonly type: Type;
  readonly literal: Value | undefined;
  readonly size: Estimate | undefined;
}

interface CallEstimate {
  readonly cost: Estimate;
  readonly size?: Estimate | undefined;
}

const REGEX = 0.25;
const ONE = fixed(1);
const MAX_FORMAT_REGEX = 128;
const MAX_FORMAT_SIZE = 64;

const sizeOf = (node: CostNode | undefined): Estimate => node?.size ?? UNKNOWN;

/** What a call costs beyond its arguments. Mirrors apiserver pkg/cel/library/cost.go and cel-go checker/cost.go. */
export function estimateCall(
  name: string,
  id: string,
  target: CostNode | undefined,
  args: readonly CostNode[],
  sizes: SizeEstimator,
): CallEstimate {
  return (
    setsAndLists(id, target, args) ??
    (target ? ofTarget(name, target, args, sizes) : undefined) ??
    ofFunction(name, id, args) ??
    ofOverload(id, target, args)
  );
}

const FIXED_COSTS: ReadonlyMap<string, number> = new Map([
  ['check', 350_000],
  ...['serviceAccount', 'path', 'group', 'resource', 'subresource', 'namespace', 'name', 'allowed'].map(
    (name) => [name, 1] as const,
  ),
  ...['reason', 'error', 'errored', 'masked', 'prefixLength', 'family', 'format.named'].map(
    (name) => [name, 1] as const,
  ),
]);

const PARSED: ReadonlySet<string> = new Set([
  'cidr',
  'isIP',
  'isCIDR',
  'ip',
  'quantity',
  'isQuantity',
  'semver',
  'isSemver',
]);

/** Address comparisons go over 4 or 16 bytes twice. */
const ADDRESS: Estimate = { min: 4, max: 16 };

function ofFunction(name: string, id: string, args: readonly CostNode[]): CallEstimate | undefined {
  const known = FIXED_COSTS.get(name);
  if (known !== undefined) return { cost: fixed(known) };
  const [first] = args;
  if (id === 'cidr_ip') return { cost: ONE };
  if (first && PARSED.has(name)) return { cost: scaled(sizeOf(first), TRAVERSAL) };
  if (first && (name === 'url' || name === 'jsonpatch.escapeKey')) {
    return { cost: scaled(sizeOf(first), TRAVERSAL), size: sizeOf(first) };
  }
  if (first && name === 'ip.isCanonical') return { cost: scaled(sizeOf(first), 2 * TRAVERSAL) };
  if (first && (name === 'containsIP' || name === 'containsCIDR'))
    return { cost: containment(name, id, first) };
  if (first && name === 'validate') {
    return { cost: scaled(scaled(sizeOf(first), TRAVERSAL), MAX_FORMAT_REGEX * REGEX) };
  }
  if (first && (name === 'fieldSelector' || name === 'labelSelector')) {
    const length = sizeOf(first);
    return { cost: plus(fixed(10), scaled(length, TRAVERSAL), scaled(scaled(length, 0.5), 50)) };
  }
  return name === '_==_' ? opaqueEquality(args) : undefined;
}

function containment(name: string, id: string, other: CostNode): Estimate {
  const compared = scaled(plus(ADDRESS, ADDRESS), TRAVERSAL);
  const parsed = id.endsWith('_string') ? scaled(sizeOf(other), TRAVERSAL) : ZERO;
  if (name === 'containsIP') return plus(compared, parsed);
  return plus(compared, scaled(ADDRESS, TRAVERSAL), ONE, parsed);
}

function opaqueEquality([left, right]: readonly CostNode[]): CallEstimate | undefined {
  if (!left || !right || !sameType(left.type, right.type)) return undefined;
  switch (left.type.name) {
    case 'net.IP':
    case 'net.CIDR':
    case 'kubernetes.Quantity':
    case 'kubernetes.Semver':
      return { cost: ONE };
    case 'kubernetes.NamedFormat':
      return { cost: scaled({ min: 1, max: MAX_FORMAT_SIZE }, TRAVERSAL) };
    case 'kubernetes.URL':
      return { cost: scaled({ min: 1, max: right.size?.max ?? 1 }, TRAVERSAL) };
    default:
      return left.type.name.startsWith('kubernetes.authorization.') ? { cost: ONE } : undefined;
  }
}

function ofTarget(
  name: string,
  target: CostNode,
  args: readonly CostNode[],
  sizes: SizeEstimator,
): CallEstimate | undefined {
  const size = sizeOf(target);
  switch (name) {
    case 'isSorted':
    case 'sum':
    case 'max':
    case 'min':
    case 'indexOf':
    case 'lastIndexOf': {
      const element = elementOf(target, sizes);
      if (!element) return { cost: scaled(size, TRAVERSAL) };
      const isText = element.type.kind === 'string' || element.type.kind === 'bytes';
      return { cost: times(size, isText ? plus(ONE, scaled(sizeOf(element), TRAVERSAL)) : ONE) };
    }
    case 'lowerAscii':
    case 'upperAscii':
    case 'substring':
    case 'trim':
      return { cost: scaled(size, TRAVERSAL), size };
    case 'replace':
      return args.length < 2 ? undefined : { cost: scaled(size, 2 * TRAVERSAL), size: replaced(size, args) };
    case 'split': {
      const limit = args[1]?.literal;
      const max = typeof limit === 'bigint' && limit >= 0n ? Number(limit) : size.max;
      return { cost: scaled(size, 2 * TRAVERSAL), size: { min: 0, max } };
    }
    case 'join':
      return joined(target, args, sizes);
    case 'find':
    case 'findAll': {
      const text = scaled(plus(size, ONE), TRAVERSAL);
      return { cost: times(text, scaled(sizeOf(args[0]), REGEX)), size: { min: 0, max: size.max } };
    }
    default:
      return undefined;
  }
}

function elementOf(list: CostNode, sizes: SizeEstimator): CostNode | undefined {
  const [type] = list.type.params;
  if (!type) return undefined;
  const path = list.path.length === 0 ? [] : [...list.path, '@items'];
  return { path, type, literal: undefined, size: sizes(path, type) };
}

function joined(list: CostNode, args: readonly CostNode[], sizes: SizeEstimator): CallEstimate {
  const count = sizeOf(list);
  const element = elementOf(list, sizes);
  let size = element ? times(count, sizeOf(element)) : ZERO;
  if (args[0]) {
    const separators = { min: Math.max(0, count.min - 1), max: Math.max(0, count.max - 1) };
    size = plus(size, times(sizeOf(args[0]), separators));
  }
  return { cost: scaled(size, TRAVERSAL), size };
}

/** How long a string may be after replacements: the shortest texts by the longest, and the other way round. */
function replaced(size: Estimate, args: readonly CostNode[]): Estimate {
  const old = sizeOf(args[0]);
  const by = sizeOf(args[1]);
  let longest: readonly [count: number, kept: number];
  if (old.min === 0) longest = [size.max + 1, size.max];
  else longest = by.max <= old.min ? [0, size.max] : [Math.ceil(size.max / old.min), 0];
  let shortest: readonly [count: number, kept: number];
  if (old.max === 0) shortest = [size.min + 1, size.min];
  else shortest = old.max <= by.min ? [0, size.min] : [Math.ceil(size.min / old.max), 0];
  return plus(times({ min: shortest[0], max: longest[0] }, by), { min: shortest[1], max: longest[1] });
}

function setsAndLists(
  id: string,
  target: CostNode | undefined,
  args: readonly CostNode[],
): CallEstimate | undefined {
  const allocating = (size: Estimate, factor = 1): CallEstimate => ({
    cost: plus(scaled(size, factor), fixed(11)),
    size,
  });
  const size = sizeOf(target);
  const comparison = (list: Estimate, isText: boolean): CallEstimate =>
    allocating(times(list, list), isText ? 2 + TRAVERSAL : 2);
  const intOf = (node: CostNode | undefined, otherwise: number): number =>
    typeof node?.literal === 'bigint' ? Math.max(0, Number(node.literal)) : otherwise;
  switch (id) {
    case 'list_sets_contains_list':
    case 'list_sets_intersects_list':
    case 'list_sets_equivalent_list': {
      const product = times(sizeOf(args[0]), sizeOf(args[1]));
      return { cost: plus(scaled(product, id === 'list_sets_equivalent_list' ? 2 : 1), ONE) };
    }
    case 'list_slice':
      return allocating(fixed(intOf(args[1], size.max) - intOf(args[0], 0)));
    case 'lists_range':
      return allocating(fixed(intOf(args[0], UNBOUNDED)));
    case 'list_reverse':
      return allocating(size);
    case 'list_flatten':
    case 'list_flatten_int':
      return allocating(size, args.length === 1 ? intOf(args[0], UNBOUNDED) : 1);
    case 'list_distinct':
      return comparison(size, false);
    default:
      if (/^list_.+_sort$/.test(id)) return comparison(size, /^list_(?:string|bytes)_/.test(id));
      return id.endsWith('_sortByAssociatedKeys')
        ? comparison(sizeOf(args[0]), /^list_(?:string|bytes)_/.test(id))
        : undefined;
  }
}

function ofOverload(id: string, target: CostNode | undefined, args: readonly CostNode[]): CallEstimate {
  const [first, second] = args;
  const size = sizeOf(first);
  switch (id) {
    case 'string_format':
      return { cost: scaled(sizeOf(target), TRAVERSAL) };
    case 'string_to_bytes':
      return { cost: scaled(size, TRAVERSAL), size: { min: size.min, max: size.max * 4 } };
    case 'bytes_to_string':
      return { cost: scaled(size, TRAVERSAL), size: { min: Math.floor(size.min / 4), max: size.max } };
    case 'strings_quote':
      return { cost: scaled(size, TRAVERSAL), size: { min: size.min + 2, max: size.max * 2 + 2 } };
    case 'starts_with_string':
    case 'ends_with_string':
      return { cost: scaled(size, TRAVERSAL) };
    case 'in_list':
      return { cost: sizeOf(second) };
    case 'matches_string':
      return { cost: times(scaled(plus(sizeOf(target), ONE), TRAVERSAL), scaled(size, REGEX)) };
    case 'contains_string':
      return { cost: times(scaled(sizeOf(target), TRAVERSAL), scaled(size, TRAVERSAL)) };
    case 'add_list':
      return { cost: ONE, size: plus(size, sizeOf(second)) };
    case 'add_string':
    case 'add_bytes': {
      const total = plus(size, sizeOf(second));
      return { cost: scaled(total, TRAVERSAL), size: total };
    }
    default:
      if (!/^(?:equals|not_equals|(?:less|greater)(?:_equals)?_(?:string|bytes))$/.test(id))
        return { cost: ONE };
      return { cost: smallerOf(size, sizeOf(second)) };
  }
}

function smallerOf(left: Estimate, right: Estimate): Estimate {
  const max = Math.min(left.max, right.max);
  return scaled({ min: max > 0 ? 1 : 0, max }, TRAVERSAL);
}
