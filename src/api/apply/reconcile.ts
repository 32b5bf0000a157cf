import { EMPTY_SET, isEmptySet } from './field-set.ts';
import type { FieldSet } from './field-set.ts';
import type { MergeMap, MergeType } from './merge-type.ts';
import { memberType } from './merge-type.ts';

/**
 * A set that was written under an older schema, as it is under this one: who owned parts of what is replaced
 * as a whole now owns the whole. The same set where nothing changes. Mirrors typed/reconcile_schema.go.
 */
export function reconcileSet(set: FieldSet, type: MergeType): FieldSet {
  return reconcileNode(set, type, true);
}

function reconcileNode(node: FieldSet, type: MergeType, isRoot: boolean): FieldSet {
  // Upstream's order of preference where a type has several forms.
  if (type.map) {
    if (isDeduced(type.map)) return node;
    if (type.map.atomic && !isRoot) return isEmptySet(node) ? node : EMPTY_SET;
    return reconcileParts(node, (name) => memberType(type.map!, name.slice(2)));
  }
  if (type.scalar || !type.list) return node;
  if (type.list.atomic && !isRoot) return EMPTY_SET;
  return reconcileParts(node, () => type.list!.items);
}

function reconcileParts(node: FieldSet, typeOf: (element: string) => MergeType | undefined): FieldSet {
  let changed: Record<string, FieldSet> | undefined;
  for (const element in node) {
    if (element === '.') continue;
    const part = node[element]!;
    const type = typeOf(element);
    if (!type) continue;
    const fresh = reconcileNode(part, type, false);
    if (fresh === part) continue;
    if (isEmptySet(fresh) && isEmptySet(part)) continue;
    changed ??= { ...node };
    changed[element] = fresh;
  }
  return changed ?? node;
}

/** Nothing is known of its members: no schema, or one that says nothing. */
function isDeduced(map: MergeMap): boolean {
  return map.fields.size === 0 && map.elements?.scalar === 'untyped' && map.elements.map !== undefined;
}
