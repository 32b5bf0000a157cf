/** One line of the table that the benchmarks print. */
export interface Row {
  what: string;
  /** With its unit. */
  value: string;
  /** What it should be; absent where it is there for comparison. */
  target?: string;
  /** Absent where there is no target. */
  met?: boolean;
}

export interface Section {
  title: string;
  rows: Row[];
}

/** Markdown, as it goes into docs/performance.md. */
export function renderTable(sections: readonly Section[]): string {
  const cells = [
    ['What', 'Measured', 'To reach', ''],
    ...sections.flatMap(({ title, rows }) => [
      [`**${title}**`, '', '', ''],
      ...rows.map(({ what, value, target, met }) => [what, value, target ?? '', verdict(met)]),
    ]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(3, ...cells.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`;
  const [header = [], ...body] = cells;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(header), rule, ...body.map(line)].join('\n');
}

function verdict(met: boolean | undefined): string {
  if (met === undefined) return '';
  return met ? 'met' : '**missed**';
}

/** 21847 → '21,800/s': three digits say all that a run on a shared machine can. */
export function rate(perSecond: number): string {
  const digits = Math.max(0, Math.floor(Math.log10(perSecond)) - 2);
  const rounded = Math.round(perSecond / 10 ** digits) * 10 ** digits;
  return `${rounded.toLocaleString('en')}/s`;
}

export function ms(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function micros(value: number): string {
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} µs`;
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1e6)} MB`;
}
