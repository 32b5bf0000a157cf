const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');
const DAYS = 'sun mon tue wed thu fri sat'.split(' ');

interface Field {
  min: number;
  max: number;
  names: readonly string[];
}

const FIELDS: readonly Field[] = [
  { min: 0, max: 59, names: [] },
  { min: 0, max: 23, names: [] },
  { min: 1, max: 31, names: [] },
  { min: 1, max: 12, names: MONTHS },
  { min: 0, max: 6, names: DAYS },
];

const MACROS = new Set(['@yearly', '@annually', '@monthly', '@weekly', '@daily', '@midnight', '@hourly']);

/** What is wrong with a cron schedule of five fields, in the words of the parser that upstream uses (robfig/cron). */
export function scheduleProblem(schedule: string): string | undefined {
  let text = schedule.trim();
  if (text === '') return 'empty spec string';
  if (/^(CRON_)?TZ=/.test(text)) {
    const space = text.indexOf(' ');
    if (space < 0) return 'invalid schedule format: runtime error: slice bounds out of range [:-1]';
    const zone = text.slice(text.indexOf('=') + 1, space);
    if (!isTimeZone(zone)) return `provided bad location ${zone}: unknown time zone ${zone}`;
    text = text.slice(space + 1).trim();
  }
  if (text.startsWith('@')) {
    if (MACROS.has(text)) return undefined;
    if (text.startsWith('@every ')) {
      const problem = durationProblem(text.slice('@every '.length));
      return problem === undefined ? undefined : `failed to parse duration ${text}: ${problem}`;
    }
    return `unrecognized descriptor: ${text}`;
  }
  const fields = text.split(/\s+/);
  if (fields.length !== 5) {
    return `expected exactly 5 fields, found ${fields.length}: [${fields.join(' ')}]`;
  }
  for (const [index, field] of FIELDS.entries()) {
    for (const part of (fields[index] ?? '').split(',')) {
      const problem = part === '' ? undefined : rangeProblem(part, field);
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

function rangeProblem(text: string, field: Field): string | undefined {
  const [range = '', step, ...more] = text.split('/');
  if (more.length > 0) return `too many slashes: ${text}`;
  const [low = '', high, ...rest] = range.split('-');
  if (rest.length > 0) return `too many hyphens: ${text}`;
  let start = field.min;
  let end = field.max;
  if (low !== '*' && low !== '?') {
    const from = numberOf(low, field);
    const to = high === undefined ? from : numberOf(high, field);
    if (typeof from === 'string') return from;
    if (typeof to === 'string') return to;
    start = from;
    end = high === undefined && step !== undefined ? field.max : to;
  }
  if (step !== undefined) {
    const every = numberOf(step, { ...field, names: [] });
    if (typeof every === 'string') return every;
    if (every === 0) return `step of range should be a positive number: ${text}`;
  }
  if (start < field.min) return `beginning of range (${start}) below minimum (${field.min}): ${text}`;
  if (end > field.max) return `end of range (${end}) above maximum (${field.max}): ${text}`;
  if (start > end) return `beginning of range (${start}) beyond end of range (${end}): ${text}`;
  return undefined;
}

function numberOf(text: string, field: Field): number | string {
  const named = field.names.indexOf(text.toLowerCase());
  if (named >= 0) return named + field.min;
  const failed = `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}`;
  if (/^[+]?[0-9]+$/.test(text)) {
    return Number(text) < 2 ** 63 ? Number(text) : `${failed}: value out of range`;
  }
  if (/^-[0-9]+$/.test(text)) return `negative number (${Number(text)}) not allowed: ${text}`;
  return `${failed}: invalid syntax`;
}

/** What Go's parser of durations says. */
function durationProblem(text: string): string | undefined {
  const quoted = JSON.stringify(text);
  let rest = text.replace(/^[-+]/, '');
  if (rest === '0') return undefined;
  if (rest === '') return `time: invalid duration ${quoted}`;
  while (rest !== '') {
    const [, amount = '', unit = ''] = /^([0-9]*\.?[0-9]*)([^0-9.]*)/.exec(rest) ?? [];
    if (!/[0-9]/.test(amount)) return `time: invalid duration ${quoted}`;
    if (unit === '') return `time: missing unit in duration ${quoted}`;
    if (!/^(ns|us|µs|μs|ms|s|m|h)$/.test(unit)) {
      return `time: unknown unit ${JSON.stringify(unit)} in duration ${quoted}`;
    }
    rest = rest.slice(amount.length + unit.length);
  }
  return undefined;
}

/** Whether there is such a time zone. Names are those of files elsewhere: letters must be of the right size. */
export function isTimeZone(name: string): boolean {
  if (name === 'Local') return true;
  const parts = name.split('/');
  if (parts.some((part) => !/^[A-Z][A-Za-z._0-9+-]{0,13}$/.test(part))) return false;
  try {
    const known = Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
    return known === name || known.toLowerCase() !== name.toLowerCase();
  } catch {
    return false;
  }
}
