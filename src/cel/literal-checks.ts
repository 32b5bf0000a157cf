import type { CallExpr, Expr, ListExpr, MapExpr } from './ast.ts';
import type { Checked } from './checker.ts';
import { checkFormat } from './format-checks.ts';
import { EvaluationError } from './issues.ts';
import type { Issue } from './issues.ts';
import { compileRegex } from './library/regex.ts';
import { parseDurationText, parseTimestamp } from './time.ts';
import { DYN, formatType, sameType, unwrapOptional } from './types.ts';
import type { Type } from './types.ts';
import { walk } from './walk.ts';

/** Literals that can be nothing but a mistake. Mirrors cel-go cel/validator.go. */
export function checkLiterals(checked: Checked): Issue[] {
  const issues: Issue[] = [];
  for (const { expr, ancestors } of walk(checked.expr)) {
    if (expr.kind === 'call') {
      checkCall(expr, issues);
      const misformatted = checkFormat(checked, expr);
      if (misformatted) issues.push(misformatted);
    }
    const isFormatted = ancestors.some((each) => each.kind === 'call' && each.name === 'format');
    if (!isFormatted && (expr.kind === 'list' || expr.kind === 'map')) checkAggregate(checked, expr, issues);
  }
  return issues;
}

const VALID: Readonly<Record<string, (text: string) => boolean>> = {
  duration: (text) => parseDurationText(text) !== undefined,
  timestamp: (text) => parseTimestamp(text) !== undefined,
  matches: isPattern,
};

function checkCall({ name, args: [first] }: CallExpr, issues: Issue[]): void {
  const isValid = Object.hasOwn(VALID, name) ? VALID[name] : undefined;
  if (!isValid || first?.kind !== 'literal') return;
  const { value } = first;
  const isOutside = name === 'timestamp' && typeof value === 'bigint' && !isSecondOfTime(value);
  if (isOutside || (typeof value === 'string' && !isValid(value)))
    issues.push({ offset: first.offset, message: `invalid ${name} argument` });
}

const isSecondOfTime = (seconds: bigint): boolean =>
  seconds >= -62_135_596_800n && seconds <= 253_402_300_799n;

function isPattern(text: string): boolean {
  try {
    compileRegex(text);
    return true;
  } catch (error) {
    if (error instanceof EvaluationError) return false;
    throw error;
  }
}

function checkAggregate({ types }: Checked, expr: ListExpr | MapExpr, issues: Issue[]): void {
  const typeOf = (each: Expr, isOptional: boolean): Type => {
    const type = types.get(each.id) ?? DYN;
    return isOptional ? (unwrapOptional(type) ?? type) : type;
  };
  const checkAll = (all: ReadonlyArray<readonly [Expr, boolean]>, most = Infinity): void => {
    const [first, ...others] = all;
    if (!first) return;
    const wanted = typeOf(...first);
    for (const odd of others.filter((each) => !sameType(wanted, typeOf(...each))).slice(0, most)) {
      const message = `expected type '${formatType(wanted)}' but found '${formatType(typeOf(...odd))}'`;
      issues.push({ offset: odd[0].offset, message });
    }
  };
  if (expr.kind === 'list') {
    const elements = expr.elements.map((each, index) => [each, expr.optional.has(index)] as const);
    checkAll(elements, 1);
    return;
  }
  checkAll(expr.entries.map(({ key }) => [key, false] as const));
  checkAll(expr.entries.map(({ value, optional }) => [value, optional] as const));
}
