/**
 * Checks of names and keys, each giving upstream's messages; an empty list where the value is valid.
 * Mirrors apimachinery's pkg/util/validation and pkg/api/validate/content.
 */

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const DNS_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const KEY = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const VALUE = `(${KEY})?`;
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';
const CONFIG_KEY = '[-._a-zA-Z0-9]+';
const HEADER = '[-A-Za-z0-9]+';
const PERCENT = '[0-9]+%';

const whole = (form: string): RegExp => new RegExp(`^${form}$`);
const LABEL_FORM = whole(LABEL);
const SUBDOMAIN_FORM = whole(SUBDOMAIN);
const DNS_1035_FORM = whole(DNS_1035);
const WILDCARD_FORM = whole(`\\*\\.${SUBDOMAIN}`);
const KEY_FORM = whole(KEY);
const VALUE_FORM = whole(VALUE);
const C_IDENTIFIER_FORM = whole(C_IDENTIFIER);
const CONFIG_KEY_FORM = whole(CONFIG_KEY);
const HEADER_FORM = whole(HEADER);
const PERCENT_FORM = whole(PERCENT);

const ALPHANUMERIC =
  "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const LABEL_TEXT =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_TEXT =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/** 'text (e.g. 'a' or 'b', regex used for validation is '…')'. */
function regexError(text: string, form: string, ...examples: string[]): string {
  if (examples.length === 0) return `${text} (regex used for validation is '${form}')`;
  const given = examples.map((example) => `'${example}', `).join(' or ');
  return `${text} (e.g. ${given}regex used for validation is '${form}')`;
}

const tooManyBytes = (limit: number): string => `must be no more than ${limit} bytes`;
const tooManyCharacters = (limit: number): string => `must be no more than ${limit} characters`;
const sizeOf = (value: string): number => Buffer.byteLength(value);

/** A DNS label (RFC 1123): names of namespaces, containers. */
export function checkDns1123Label(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 63) errors.push(tooManyBytes(63));
  if (!LABEL_FORM.test(value)) {
    errors.push(
      SUBDOMAIN_FORM.test(value)
        ? 'must not contain dots'
        : regexError(LABEL_TEXT, LABEL, 'my-name', '123-abc'),
    );
  }
  return errors;
}

/** A DNS subdomain (RFC 1123): names of most objects. */
export function checkDns1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 253) errors.push(tooManyBytes(253));
  if (!SUBDOMAIN_FORM.test(value)) errors.push(regexError(SUBDOMAIN_TEXT, SUBDOMAIN, 'example.com'));
  return errors;
}

/** A DNS label (RFC 1035). */
export function checkDns1035Label(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 63) errors.push(tooManyCharacters(63));
  if (!DNS_1035_FORM.test(value)) {
    const text =
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character";
    errors.push(regexError(text, DNS_1035, 'my-name', 'abc-123'));
  }
  return errors;
}

/** '*.example.com'. */
export function checkWildcardDns1123Subdomain(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 253) errors.push(tooManyCharacters(253));
  if (!WILDCARD_FORM.test(value)) {
    const text =
      "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
    errors.push(regexError(text, `\\*\\.${SUBDOMAIN}`, '*.example.com'));
  }
  return errors;
}

/** A label's key, a resource's or finalizer's name: an optional domain, '/' and a name. */
export function checkQualifiedName(value: string): string[] {
  const parts = value.split('/');
  const shown = regexError(ALPHANUMERIC, KEY, 'MyName', 'my.name', '123-abc');
  if (parts.length > 2) {
    return [
      `a valid label key ${shown} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const errors: string[] = [];
  const name = parts.at(-1) ?? '';
  if (parts.length === 2) {
    if (parts[0] === '') errors.push('prefix part must be non-empty');
    else errors.push(...checkDns1123Subdomain(parts[0]!).map((error) => `prefix part ${error}`));
  }
  if (name === '') errors.push('name part must be non-empty');
  else if (sizeOf(name) > 63) errors.push(`name part ${tooManyBytes(63)}`);
  if (!KEY_FORM.test(name)) errors.push(`name part ${shown}`);
  return errors;
}

export function checkLabelValue(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 63) errors.push(tooManyBytes(63));
  if (!VALUE_FORM.test(value)) {
    errors.push(
      regexError(
        `a valid label must be an empty string or ${ALPHANUMERIC.replace(/^must /, '')}`,
        VALUE,
        'MyValue',
        'my_value',
        '12345',
      ),
    );
  }
  return errors;
}

export function checkCIdentifier(value: string): string[] {
  if (C_IDENTIFIER_FORM.test(value)) return [];
  const text =
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'";
  return [regexError(text, C_IDENTIFIER, 'my_name', 'MY_NAME', 'MyName')];
}

/** The name of an environment variable: printable ASCII without '='. */
export function checkEnvVarName(value: string): string[] {
  const errors: string[] = [];
  if (value === '') errors.push('environment variable name must be non-empty');
  if (!/^[ -<>-~]*$/.test(value)) {
    errors.push(
      "a valid environment variable name must consist only of printable ASCII characters other than '='",
    );
  }
  return errors;
}

/** A key in the data of a ConfigMap or Secret. */
export function checkConfigMapKey(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 253) errors.push(tooManyCharacters(253));
  if (!CONFIG_KEY_FORM.test(value)) {
    const text = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
    errors.push(regexError(text, CONFIG_KEY, 'key.name', 'KEY_NAME', 'key-name'));
  }
  if (value === '.') errors.push("must not be '.'");
  else if (value === '..') errors.push("must not be '..'");
  else if (value.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

export function checkHttpHeaderName(value: string): string[] {
  if (HEADER_FORM.test(value)) return [];
  const text = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [regexError(text, HEADER, 'X-Header-Name')];
}

export function checkPercent(value: string): string[] {
  if (PERCENT_FORM.test(value)) return [];
  const text = "a valid percent string must be a numeric string followed by an ending '%'";
  return [regexError(text, PERCENT, '1%', '93%')];
}

export function checkRange(value: number, low: number, high: number): string[] {
  return value >= low && value <= high ? [] : [`must be between ${low} and ${high}, inclusive`];
}

export function checkPortNumber(port: number): string[] {
  return checkRange(port, 1, 65_535);
}

/** The name of a port (RFC 6335's service name). */
export function checkPortName(value: string): string[] {
  const errors: string[] = [];
  if (sizeOf(value) > 15) errors.push(tooManyCharacters(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)');
  }
  if (!/[a-z]/.test(value)) errors.push('must contain at least one letter (a-z)');
  if (value.includes('--')) errors.push('must not contain consecutive hyphens');
  if (/^-|-$/.test(value)) errors.push('must not begin or end with a hyphen');
  return errors;
}
