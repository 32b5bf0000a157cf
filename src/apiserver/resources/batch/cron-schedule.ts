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
  if (/^(CRON_)?TZ=/.test(text)) text = text.slice(text.indexOf(' ') + 1).trim();
  if (text.startsWith('@')) {
    if (MACROS.has(text)) return undefined;
    if (/^@every ([0-9.]+(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
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
  if (/^[0-9]+$/.test(text)) return Number(text);
  return `failed to parse int from ${text}: strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`;
}

/** Whether the system knows the time zone. */
export function isTimeZone(name: string): boolean {
  try {
    Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
