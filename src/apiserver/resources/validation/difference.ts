import { sameJson } from './checks.ts';

/**
 * Two JSON values' differences, a line each: `- path: old` and `+ path: new`. Upstream shows a Go diff in the
 * same place; nobody parses either.
 */
export function describeDifference(before: unknown, after: unknown): string {
  const lines: string[] = [];
  walk('', before, after, lines);
  return lines.join('\n');
}

function walk(path: string, before: unknown, after: unknown, lines: string[]): void {
  if (sameJson(before, after)) return;
  if (isObject(before) && isObject(after)) {
    for (const name of new Set([...Object.keys(before), ...Object.keys(after)])) {
      walk(path === '' ? name : `${path}.${name}`, before[name], after[name], lines);
    }
    return;
  }
  if (Array.isArray(before) && Array.isArray(after) && before.length === after.length) {
    before.forEach((item, index) => walk(`${path}[${index}]`, item, after[index], lines));
    return;
  }
  if (before !== undefined) lines.push(`- ${path}: ${text(before)}`);
  if (after !== undefined) lines.push(`+ ${path}: ${text(after)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Integers past 2^53 may stand anywhere inside. */
function text(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) =>
    typeof member === 'bigint' ? Number(member) : member,
  );
}
