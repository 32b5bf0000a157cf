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
  if (before !== undefined) lines.push(`- ${path}: ${JSON.stringify(before)}`);
  if (after !== undefined) lines.push(`+ ${path}: ${JSON.stringify(after)}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
