/**
 * Checks of single strings and numbers; each returns what is wrong in upstream's words, nothing where all is
 * well. What a client left out is checked as the empty string, as it is in upstream's types. Mirrors
 * apimachinery pkg/util/validation/validation.go.
 */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const HEADER = '[-A-Za-z0-9]+';
const PERCENT = '[0-9]+%';
const WILDCARD = `\\*\\.${SUBDOMAIN}`;
const SYSCTL_PART = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
const SYSCTL = `(${SYSCTL_PART}(\\.|/))*${SYSCTL_PART}`;

const RE = {
  label: new RegExp(`^${LABEL}$`),
  subdomain: new RegExp(`^${SUBDOMAIN}$`),
  label1035: new RegExp(`^${LABEL_1035}$`),
  qualified: new RegExp(`^${QUALIFIED}$`),
  labelValue: new RegExp(`^${LABEL_VALUE}$`),
  cIdentifier: new RegExp(`^${C_IDENTIFIER}$`),
  configKey: new RegExp(`^${CONFIG_KEY}$`),
  header: new RegExp(`^${HEADER}$`),
  percent: new RegExp(`^${PERCENT}$`),
  wildcard: new RegExp(`^${WILDCARD}$`),
  sysctl: new RegExp(`^${SYSCTL}$`),
};

export const maxLength = (length: number): string => `must be no more than ${length} characters`;
export const inRangeMessage = (low: number, high: number): string =>
  `must be between ${low} and ${high}, inclusive`;

/** A message about a pattern, with examples, as upstream words them. */
export function patternMessage(message: string, pattern: string, ...examples: string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  const shown = examples.map((example) => `'${example}', `).join(' or ');
  return `${message} (e.g. ${shown}regex used for validation is '${pattern}')`;
}

export function dnsLabel(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = value.length > 63 ? [maxLength(63)] : [];
  if (RE.label.test(value)) return problems;
  if (RE.subdomain.test(value)) return [...problems, 'must not contain dots'];
  const message =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
    'and must start and end with an alphanumeric character';
  return [...problems, patternMessage(message, LABEL, 'my-name', '123-abc')];
}

export function dnsSubdomain(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = value.length > 253 ? [maxLength(253)] : [];
  if (RE.subdomain.test(value)) return problems;
  const message =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
    'and must start and end with an alphanumeric character';
  return [...problems, patternMessage(message, SUBDOMAIN, 'example.com')];
}

export function wildcardSubdomain(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = value.length > 253 ? [maxLength(253)] : [];
  if (RE.wildcard.test(value)) return problems;
  const message =
    "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must " +
    "consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
  return [...problems, patternMessage(message, WILDCARD, '*.example.com')];
}

/** As dnsSubdomain, in the words of upstream's newer rules: they count bytes. */
export function longName(text: string): string[] {
  return dnsSubdomain(text).map((problem) =>
    problem === maxLength(253) ? 'must be no more than 253 bytes' : problem,
  );
}

const UNDERSCORE = '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*';
const UNDERSCORE_RE = new RegExp(`^${UNDERSCORE}$`);

/** As service records are named. Mirrors IsDNS1123SubdomainWithUnderscore of apimachinery. */
export function underscoreSubdomain(text: string): string[] {
  const problems = text.length > 253 ? [maxLength(253)] : [];
  if (UNDERSCORE_RE.test(text)) return problems;
  const message =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', " +
    'and must start and end with an alphanumeric character';
  return [...problems, patternMessage(message, UNDERSCORE, 'example.com')];
}

export function dns1035Label(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = value.length > 63 ? [maxLength(63)] : [];
  if (RE.label1035.test(value)) return problems;
  const message =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
    'start with an alphabetic character, and end with an alphanumeric character';
  return [...problems, patternMessage(message, LABEL_1035, 'my-name', 'abc-123')];
}

/** A label or annotation key: `name` or `prefix/name`. */
export function qualifiedName(text: string | undefined): string[] {
  const value = text ?? '';
  const parts = value.split('/');
  const problems: string[] = [];
  let name = value;
  const message =
    "must consist of alphanumeric characters, '-', '_' or '.', " +
    'and must start and end with an alphanumeric character';
  if (parts.length === 2) {
    const [prefix = '', rest = ''] = parts;
    name = rest;
    if (prefix === '') problems.push('prefix part must be non-empty');
    else problems.push(...dnsSubdomain(prefix).map((problem) => `prefix part ${problem}`));
  } else if (parts.length > 2) {
    const whole = `a valid label key ${message}`;
    const examples = patternMessage(whole, QUALIFIED, 'MyName', 'my.name', '123-abc');
    return [`${examples} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (name === '') problems.push('name part must be non-empty');
  else if (Buffer.byteLength(name) > 63) problems.push('name part must be no more than 63 bytes');
  if (!RE.qualified.test(name)) {
    problems.push(`name part ${patternMessage(message, QUALIFIED, 'MyName', 'my.name', '123-abc')}`);
  }
  return problems;
}

export function labelValue(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = Buffer.byteLength(value) > 63 ? ['must be no more than 63 bytes'] : [];
  if (RE.labelValue.test(value)) return problems;
  const message =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
    'and must start and end with an alphanumeric character';
  return [...problems, patternMessage(message, LABEL_VALUE, 'MyValue', 'my_value', '12345')];
}

export function envVarName(text: string | undefined): string[] {
  const value = text ?? '';
  if (value === '') return ['environment variable name must be non-empty'];
  if (/^[\x20-\x3c\x3e-\x7e]+$/.test(value)) return [];
  return ["a valid environment variable name must consist only of printable ASCII characters other than '='"];
}

export function configMapKey(text: string | undefined): string[] {
  const value = text ?? '';
  const problems = value.length > 253 ? [maxLength(253)] : [];
  if (!RE.configKey.test(value)) {
    const message = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    problems.push(patternMessage(message, CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.') problems.push("must not be '.'");
  else if (value === '..') problems.push("must not be '..'");
  else if (value.startsWith('..')) problems.push("must not start with '..'");
  return problems;
}

export function portNumber(value: number | undefined): string[] {
  if (value === undefined) return [inRangeMessage(1, 65535)];
  return value >= 1 && value <= 65535 ? [] : [inRangeMessage(1, 65535)];
}

export function portName(text: string | undefined): string[] {
  const value = text ?? '';
  const problems: string[] = [];
  if (value.length > 15) problems.push(maxLength(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) problems.push('must contain at least one letter (a-z)');
  if (value.includes('--')) problems.push('must not contain consecutive hyphens');
  if (value.startsWith('-') || value.endsWith('-')) problems.push('must not begin or end with a hyphen');
  return problems;
}

export function percent(text: string | undefined): string[] {
  const value = text ?? '';
  if (RE.percent.test(value)) return [];
  const message = "a valid percent string must be a numeric string followed by an ending '%'";
  return [patternMessage(message, PERCENT, '1%', '93%')];
}

export function httpHeaderName(text: string | undefined): string[] {
  const value = text ?? '';
  if (RE.header.test(value)) return [];
  const message = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [patternMessage(message, HEADER, 'X-Header-Name')];
}

/** User and group ids. */
export function unixId(value: number): string[] {
  return value >= 0 && value <= 2147483647 ? [] : [inRangeMessage(0, 2147483647)];
}

export function isSysctlName(value: string): boolean {
  return value.length <= 253 && RE.sysctl.test(value);
}

/** As it is shown. */
export const SYSCTL_PATTERN = '([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?';
