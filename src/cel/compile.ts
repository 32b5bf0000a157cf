import { check } from './checker.ts';
import type { Checked } from './checker.ts';
import type { Environment } from './environment.ts';
import type { Program } from './frame.ts';
import { EvaluationError, formatIssues } from './issues.ts';
import { checkLiterals } from './literal-checks.ts';
import { parse } from './parser.ts';
import { plan } from './planner.ts';
import { DYN } from './types.ts';
import type { Type } from './types.ts';

export interface Compiled {
  readonly checked: Checked;
  readonly type: Type;
  readonly program: Program;
}

/** An expression ready to run, or what is wrong with it in cel-go's words, with lines and carets. */
export type CompileResult = { readonly compiled: Compiled } | { readonly problem: string };

export function compile(source: string, environment: Environment): CompileResult {
  const { expr, issues } = parse(source, environment.options.macros);
  if (!expr) return { problem: formatIssues(source, issues) };
  const found = check(expr, environment);
  if (found.issues.length > 0) return { problem: formatIssues(source, found.issues) };
  const { checked } = found;
  if (environment.options.checkLiterals) {
    const literals = checkLiterals(checked);
    if (literals.length > 0) return { problem: formatIssues(source, literals) };
  }
  try {
    const program = plan(checked, environment);
    return { compiled: { checked, type: checked.types.get(expr.id) ?? DYN, program } };
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return { problem: `program instantiation failed: ${error.message}` };
  }
}
