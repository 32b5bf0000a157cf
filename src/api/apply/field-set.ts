import { compareElements } from './path-element.ts';
import type { PathElement } from './path-element.ts';

/**
 * Which fields of an object someone owns, in the very form that metadata.managedFields has it: members of a
 * set are keys, `{}` is a field without owned parts, `.` marks a field that is owned itself beside its parts.
 * Sets are never changed once made, so that they are shared with the objects of the cache and cost no decoding.
 * Mirrors structured-merge-diff's fieldpath/set.go.
 */
export interface FieldSet {
  readonly [element: PathElement]: FieldSet;
}

const SELF = '.';
export const EMPTY_SET: FieldSet = Object.freeze({});
const LEAF: FieldSet = EMPTY_SET;

export function isEmptySet(set: FieldSet): boolean {
  for (const _ in set) return false;
  return true;
}

function isMember(node: FieldSet | undefined): boolean {
  return node !== undefined && (SELF in node || isEmptySet(node));
}

/** Whether it has owned parts. */
function hasChildren(node: FieldSet | undefined): boolean {
  if (node === undefined) return false;
  for (const key in node) if (key !== SELF) return true;
  return false;
}

/** The node with these parts that is, or is not, owned itself; undefined where neither. */
function nodeOf(member: boolean, children: Record<PathElement, FieldSet>): FieldSet | undefined {
  if (!member) return isEmptySet(children) ? undefined : children;
  return isEmptySet(children) ? LEAF : { [SELF]: LEAF, ...children };
}

export function hasPath(set: FieldSet, path: readonly PathElement[]): boolean {
  let node: FieldSet | undefined = set;
  for (const element of path) node = node?.[element];
  return path.length > 0 && isMember(node);
}

type Combine = (a: FieldSet | undefined, b: FieldSet | undefined) => FieldSet | undefined;

function combine(a: FieldSet, b: FieldSet, keys: 'left' | 'both', each: Combine): FieldSet {
  const out: Record<PathElement, FieldSet> = {};
  for (const key in a) {
    if (key === SELF) continue;
    const node = each(a[key], b[key]);
    if (node) out[key] = node;
  }
  if (keys === 'both') {
    for (const key in b) {
      if (key === SELF || key in a) continue;
      const node = each(undefined, b[key]);
      if (node) out[key] = node;
    }
  }
  return out;
}

export function union(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  if (isEmptySet(a)) return b;
  return combine(a, b, 'both', (left, right) => {
    if (!left || !right) return left ?? right;
    if (left === right) return left;
    return nodeOf(isMember(left) || isMember(right), { ...union(childrenOf(left), childrenOf(right)) });
  });
}

/** The parts of a node as a set of their own. */
function childrenOf(node: FieldSet): FieldSet {
  if (!(SELF in node)) return node;
  const { [SELF]: _self, ...children } = node;
  return children;
}

export function intersection(a: FieldSet, b: FieldSet): FieldSet {
  return combine(a, b, 'left', (left, right) => {
    if (!left || !right) return undefined;
    return nodeOf(isMember(left) && isMember(right), { ...intersection(left, right) });
  });
}

/** What is in `a` and not in `b`; a field stays when only a part of it is in `b`, and a part when only its whole is. */
export function difference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  return combine(a, b, 'left', (left, right) => {
    if (!left || !right) return left;
    return nodeOf(isMember(left) && !isMember(right), { ...difference(childrenOf(left), childrenOf(right)) });
  });
}

/** As difference, but a field in `b` takes everything below it away. */
export function recursiveDifference(a: FieldSet, b: FieldSet): FieldSet {
  if (isEmptySet(b)) return a;
  return combine(a, b, 'left', (left, right) => {
    if (!left || !right) return left;
    if (isMember(right)) return undefined;
    return nodeOf(isMember(left), { ...recursiveDifference(childrenOf(left), right) });
  });
}

/** Whether both have the same members. */
export function sameSet(a: FieldSet, b: FieldSet): boolean {
  if (a === b) return true;
  let count = 0;
  for (const key in a) {
    const other = b[key];
    if (other === undefined || !sameSet(a[key]!, other)) return false;
    count += 1;
  }
  for (const _ in b) count -= 1;
  return count === 0;
}

/** Calls back with every member's path, which is reused: a field before its parts, as upstream's Iterate. */
export function eachPath(
  set: FieldSet,
  visit: (path: readonly PathElement[]) => void,
  prefix: PathElement[] = [],
): void {
  const sorted = Object.keys(set).filter((key) => key !== SELF);
  sorted.sort(compareElements);
  for (const key of sorted) {
    if (!isMember(set[key])) continue;
    prefix.push(key);
    visit(prefix);
    prefix.pop();
  }
  for (const key of sorted) {
    if (!hasChildren(set[key])) continue;
    prefix.push(key);
    eachPath(set[key]!, visit, prefix);
    prefix.pop();
  }
}

/** The set in upstream's order, as it is written. Parts that are in order already are shared. */
export function sortedSet(set: FieldSet): FieldSet {
  let ordered = true;
  let previous: string | undefined;
  const sorted: Record<string, FieldSet> = {};
  for (const key in set) {
    const node = sortedSet(set[key]!);
    if (node !== set[key]) ordered = false;
    if (previous !== undefined && key !== SELF && previous !== SELF && compareElements(previous, key) > 0) {
      ordered = false;
    }
    if (key === SELF && previous !== undefined) ordered = false;
    sorted[key] = node;
    previous = key;
  }
  if (ordered) return set;
  const keys = Object.keys(sorted).sort((a, b) => {
    if (a === SELF || b === SELF) return Number(b === SELF) - Number(a === SELF);
    return compareElements(a, b);
  });
  return Object.fromEntries(keys.map((key) => [key, sorted[key]!]));
}

/** Collects paths into a set. */
export class SetBuilder {
  #root: Record<string, Record<string, unknown>> = {};
  #size = 0;
  /** Nodes without parts. To look whether a large object has any lists all of its members first. */
  readonly #leaves = new Set<object>();

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  /** The empty path is the object itself, which nobody owns. */
  insert(path: readonly PathElement[], length: number = path.length): void {
    if (length === 0) return;
    this.#size += 1;
    let node = this.#root;
    for (let index = 0; index < length - 1; index++) {
      const element = path[index]!;
      let next = node[element] as typeof node | undefined;
      if (next === undefined) {
        next = {};
        node[element] = next;
      } else if (this.#leaves.delete(next)) {
        next[SELF] = {};
      }
      node = next;
    }
    const last = path[length - 1]!;
    const known = node[last];
    if (known === undefined) {
      const leaf = {};
      node[last] = leaf;
      this.#leaves.add(leaf);
    } else if (!this.#leaves.has(known)) {
      known[SELF] = {};
    }
  }

  build(): FieldSet {
    return this.#root as unknown as FieldSet;
  }
}

/** A set of these paths of plain field names. */
export function setOfFields(...paths: ReadonlyArray<readonly string[]>): FieldSet {
  const builder = new SetBuilder();
  for (const path of paths) builder.insert(path.map((name) => `f:${name}`));
  return builder.build();
}
