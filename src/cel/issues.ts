/** Where in an expression: line from 1, column from 0, both counted in code points as cel-go does. */
interface Location {
  readonly line: number;
  readonly column: number;
}

/** One thing that is wrong with an expression. `offset` counts code points; -1 where there is no place. */
export interface Issue {
  readonly offset: number;
  readonly message: string;
}

const MAX_ISSUES = 100;
const MAX_SNIPPET_BYTES = 16_384;

/** Issues as cel-go prints them, each with its line and a caret. Mirrors cel-go common/errors.go. */
export function formatIssues(source: string, issues: readonly Issue[]): string {
  const lines = source.split('\n').map((line) => Array.from(line));
  const located = issues
    .slice(0, MAX_ISSUES)
    .map((issue) => ({ issue, at: locate(lines, issue.offset) }))
    .sort((a, b) => a.at.line - b.at.line || a.at.column - b.at.column);
  const texts = located.map(({ issue, at }) => {
    // Nothing at all has no first column, and no line to show.
    if (source === '') return `ERROR: <input>:1:0: ${issue.message}`;
    const head = `ERROR: <input>:${at.line}:${at.column + 1}: ${issue.message}`;
    const line = lines[at.line - 1];
    return line && issue.offset >= 0 && Buffer.byteLength(line.join('')) <= MAX_SNIPPET_BYTES
      ? `${head}\n | ${line.join('').replaceAll('\t', ' ')}\n | ${pointer(line, at.column)}`
      : head;
  });
  if (issues.length > MAX_ISSUES) texts.push(`${issues.length - MAX_ISSUES} more errors were truncated`);
  return texts.join('\n');
}

function pointer(line: readonly string[], column: number): string {
  const dots = line.slice(0, column).map((char) => (isWide(char) ? '．' : '.'));
  return `${dots.join('')}${isWide(line[column]) ? '＾' : '^'}`;
}

function isWide(char: string | undefined): boolean {
  return char !== undefined && (char.codePointAt(0) ?? 0) > 0x7f;
}

function locate(lines: ReadonlyArray<readonly string[]>, offset: number): Location {
  if (offset < 0) return { line: -1, column: -1 };
  let rest = offset;
  for (const [index, line] of lines.entries()) {
    if (rest <= line.length) return { line: index + 1, column: rest };
    rest -= line.length + 1;
  }
  return { line: lines.length, column: lines.at(-1)?.length ?? 0 };
}

/** An expression could not be evaluated; `&&`, `||` and the quantifiers may still know the answer. */
export class EvaluationError extends Error {
  override readonly name: string = 'EvaluationError';
}

/** An evaluation cost more than it may. No operator hides it. */
export class CostExceeded extends Error {
  override readonly name: string = 'CostExceeded';

  constructor() {
    super('operation cancelled: actual cost limit exceeded');
  }
}
