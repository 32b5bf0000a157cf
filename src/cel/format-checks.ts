import type { CallExpr, Expr } from './ast.ts';
import type { Checked } from './checker.ts';
import { EvaluationError } from './issues.ts';
import type { Issue } from './issues.ts';
import { clausesOf, REFUSALS } from './library/format.ts';
import { DYN } from './types.ts';
import type { Kind } from './types.ts';

const OF_CLAUSE: Readonly<Record<string, ReadonlySet<Kind>>> = {
  d: new Set<Kind>(['int', 'uint']),
  f: new Set<Kind>(['double', 'string']),
  e: new Set<Kind>(['double', 'string']),
  b: new Set<Kind>(['int', 'uint', 'bool']),
  x: new Set<Kind>(['int', 'uint', 'string', 'bytes']),
  X: new Set<Kind>(['int', 'uint', 'string', 'bytes']),
  o: new Set<Kind>(['int', 'uint']),
  s: new Set<Kind>([
    'list',
    'map',
    'int',
    'uint',
    'double',
    'bool',
    'string',
    'timestamp',
    'bytes',
    'duration',
    'type',
    'null',
  ]),
};

/** `'…'.format([…])`, where both are written down. Mirrors the validator of cel-go ext/formatting.go. */
export function checkFormat(checked: Checked, { name, target, args, offset }: CallExpr): Issue | undefined {
  const [list] = args;
  if (name !== 'format' || target?.kind !== 'literal' || typeof target.value !== 'string') return undefined;
  if (list?.kind !== 'list') return undefined;
  let used = 0;
  try {
    for (const { letter } of clausesOf(target.value, list.elements.length)) {
      const element = list.elements[used++];
      const bad = element && firstUnfit(checked, element, letter);
      if (!bad) continue;
      const message = `error during formatting: ${REFUSALS[letter]}, was given ${typeOf(checked, bad).name}`;
      return { offset: bad.offset, message };
    }
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { offset, message: error.message };
  }
  if (list.elements.length <= used) return undefined;
  const counts = `expected ${used}, got ${list.elements.length}`;
  return { offset, message: `too many arguments supplied to string.format (${counts})` };
}

const typeOf = ({ types }: Checked, expr: Expr) => types.get(expr.id) ?? DYN;

function firstUnfit(checked: Checked, expr: Expr, letter: string): Expr | undefined {
  const { kind } = typeOf(checked, expr);
  if (kind !== 'dyn' && !OF_CLAUSE[letter]?.has(kind)) return expr;
  if (letter !== 's') return undefined;
  const parts =
    expr.kind === 'list'
      ? expr.elements
      : expr.kind === 'map'
        ? expr.entries.flatMap(({ key, value }) => [key, value])
        : [];
  return parts.map((part) => firstUnfit(checked, part, letter)).find((bad) => bad !== undefined);
}
