import { DYN, isDyn, listOf, mapOf, opaque, sameType, typeOf } from './types.ts';
import type { Type } from './types.ts';

/** What stands for each type parameter, by its name. */
export type Substitution = Map<string, Type>;

/** The substitution grown by what makes `from` assignable to `to`; undefined where nothing does. */
export function assign(bound: Substitution, from: Type, to: Type): Substitution | undefined {
  return assignAll(bound, [from], [to]);
}

/** As `assign`, for arguments one by one. Mirrors cel-go checker/types.go. */
export function assignAll(
  bound: Substitution,
  from: readonly Type[],
  to: readonly Type[],
): Substitution | undefined {
  const copy = new Map(bound);
  return allAssignable(copy, from, to) ? copy : undefined;
}

function allAssignable(bound: Substitution, from: readonly Type[], to: readonly Type[]): boolean {
  return (
    from.length === to.length && from.every((type, index) => isAssignable(bound, type, to[index] as Type))
  );
}

function isAssignable(bound: Substitution, from: Type, to: Type): boolean {
  if (to.kind === 'param') {
    const { valid, known } = substitutes(bound, from, to);
    if (valid) return true;
    if (known) return false;
  }
  if (from.kind === 'param') return substitutes(bound, to, from).valid;
  if (isWildcard(from) || isWildcard(to)) return true;
  if (from.kind === 'null') return isNullable(to);
  if (to.kind === 'null') return isNullable(from);
  switch (from.kind) {
    case 'type':
      return to.kind === 'type';
    case 'opaque':
    case 'list':
    case 'map':
      return from.kind === to.kind && from.name === to.name && allAssignable(bound, from.params, to.params);
    default:
      return sameType(from, to);
  }
}

function isWildcard(type: Type): boolean {
  return isDyn(type) || type.kind === 'error';
}

function isNullable({ kind }: Type): boolean {
  return ['opaque', 'struct', 'any', 'duration', 'timestamp', 'null'].includes(kind);
}

/** Whether `param` may stand for `type`, and whether it stands for something already. */
function substitutes(bound: Substitution, type: Type, param: Type): { valid: boolean; known: boolean } {
  if (sameType(type, param)) return { valid: true, known: true };
  const current = bound.get(param.name);
  if (current) {
    if (sameType(type, current)) return { valid: true, known: true };
    if (!isAssignable(bound, type, current)) return { valid: false, known: true };
    const general = mostGeneral(type, current);
    if (!occursIn(bound, param, general)) bound.set(param.name, general);
    return { valid: true, known: true };
  }
  if (occursIn(bound, param, type)) return { valid: false, known: false };
  bound.set(param.name, type);
  return { valid: true, known: false };
}

export function mostGeneral(a: Type, b: Type): Type {
  return isLessSpecific(a, b) ? a : b;
}

function isLessSpecific(a: Type, b: Type): boolean {
  if (isDyn(a) || a.kind === 'param') return true;
  if (isDyn(b) || b.kind === 'param' || a.kind !== b.kind) return false;
  switch (a.kind) {
    case 'opaque':
    case 'list':
    case 'map':
      return (
        a.name === b.name &&
        a.params.length === b.params.length &&
        a.params.every((param, index) => isLessSpecific(param, b.params[index] as Type))
      );
    case 'type':
      return true;
    default:
      return sameType(a, b);
  }
}

function occursIn(bound: Substitution, param: Type, within: Type): boolean {
  if (sameType(param, within)) return true;
  if (within.kind === 'param') {
    const current = bound.get(within.name);
    return current !== undefined && occursIn(bound, param, current);
  }
  return within.params.some((each) => occursIn(bound, param, each));
}

/** A type with its parameters replaced; free ones become dyn with `toDyn`. */
export function substitute(bound: Substitution, type: Type, toDyn = false): Type {
  if (type.kind === 'param') {
    const current = bound.get(type.name);
    if (current) return substitute(bound, current, toDyn);
    return toDyn ? DYN : type;
  }
  if (type.params.length === 0) return type;
  const params = type.params.map((param) => substitute(bound, param, toDyn));
  const [first = DYN, second = DYN] = params;
  if (type.kind === 'list') return listOf(first);
  if (type.kind === 'map') return mapOf(first, second);
  return type.kind === 'type' ? typeOf(first) : opaque(type.name, params);
}
