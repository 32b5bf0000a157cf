import { readType } from './types.ts';
import type { Type } from './types.ts';
import type { Value } from './values.ts';

export type Implementation = (...args: Value[]) => Value;

/** One way to call a function. */
export interface Overload {
  readonly id: string;
  readonly isMember: boolean;
  /** With the target of a member first. */
  readonly args: readonly Type[];
  readonly result: Type;
  /** Names of the type parameters. */
  readonly typeParams: readonly string[];
  /** Absent where the planner does it itself. */
  readonly implementation: Implementation | undefined;
}

export interface FunctionDeclaration {
  readonly name: string;
  readonly overloads: readonly Overload[];
}

/**
 * One overload, written as `string.(string, int) -> list(A)`, or without target: `(A) -> int`. The
 * implementation gets values of these types; ‘A’ may be anything.
 */
export function overload(id: string, signature: string, implementation?: Implementation): Overload {
  const [, target, args = '', result = ''] = /^(?:(.+?)\.)?\((.*)\) -> (.+)$/.exec(signature) ?? [];
  const types = [...(target ? [target] : []), ...splitArgs(args)].map(readType);
  const resultType = readType(result);
  const names = new Set([...types, resultType].flatMap(paramNames));
  return {
    id,
    isMember: target !== undefined,
    args: types,
    result: resultType,
    typeParams: [...names],
    implementation,
  };
}

export function declare(name: string, ...overloads: Overload[]): FunctionDeclaration {
  return { name, overloads };
}

function paramNames(type: Type): string[] {
  return type.kind === 'param' ? [type.name] : type.params.flatMap(paramNames);
}

/** Splits at the commas that are in no parentheses. */
function splitArgs(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (const [index, char] of Array.from(`${text},`).entries()) {
    if (char === '(') depth += 1;
    else if (char === ')') depth -= 1;
    else if (char === ',' && depth === 0) {
      parts.push(text.slice(start, index).trim());
      start = index + 1;
    }
  }
  return parts.filter((part) => part !== '');
}
