/** What stands where something secret stood. */
export const REMOVED = '<removed>';

const PATTERNS: ReadonlyArray<[RegExp, string]> = [
  // Private keys, whole (as one line of JSON, too), or cut off: then to the end of the line and of what looks alike.
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=\s]|\\n)*-----END [A-Z ]*PRIVATE KEY-----/g, REMOVED],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[^\r\n]*(?:\r?\n[A-Za-z0-9+/=]{16,}(?=\r?\n|$))*/g, REMOVED],
  // A key that was logged line by line: long base64 at the end of a line; digests have no capitals.
  [/(?<=[\s:])(?=[a-z0-9+/]*[A-Z])[A-Za-z0-9+/]{60,76}={0,2}(?=\s*$)/gm, REMOVED],
  // In base64, as kubeconfigs have it.
  [/LS0tLS1CRUdJTi[A-Za-z0-9+/=]{20,}/g, REMOVED],
  // Tokens of service accounts and of OpenID.
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*/g, REMOVED],
  // Bootstrap tokens.
  [/\b[a-z0-9]{6}\.[a-z0-9]{16}\b/g, REMOVED],
  [
    /\b(authorization|proxy-authorization|cookie|set-cookie)(["']?\s*[:=]\s*["']?)[^"'\r\n]+/gi,
    `$1$2${REMOVED}`,
  ],
  [/\b(bearer|basic)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${REMOVED}`],
  // Credentials inside an address.
  [/([a-z][a-z0-9+.-]*:\/\/)[^/\s:@]+:[^/\s@]+@/gi, `$1${REMOVED}@`],
  // password=…, "apiKey": "…", --token …, client-key-data: …
  [
    /((?:[A-Za-z0-9_.-]*(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key|access[_-]?key|key-data|credentials?))["']?\s*[:=]\s*)("[^"\r\n]*"|'[^'\r\n]*'|[^\s,;&}"']+)/gi,
    `$1${REMOVED}`,
  ],
  [/(--[a-z-]*(?:password|passphrase|secret|token|key)[ =])(?!\/)\S+/gi, `$1${REMOVED}`],
];

/**
 * A function that takes secrets out of a text: everything that has the form of one, and these very values with
 * their base64 forms. What it takes for a secret by mistake is lost to the reader; that is the right way round.
 */
export function redactor(known: Iterable<string>): (text: string) => string {
  const values = new Set<string>();
  for (const secret of known) {
    const value = secret.trim();
    // Shorter ones would take half of every log with them.
    if (value.length < 4) continue;
    values.add(value);
    values.add(Buffer.from(value, 'utf8').toString('base64').replace(/=+$/, ''));
  }
  const longest = [...values].toSorted((a, b) => b.length - a.length);
  return (text) => {
    let result = text;
    for (const value of longest) result = result.replaceAll(value, REMOVED);
    for (const [pattern, replacement] of PATTERNS) result = result.replace(pattern, replacement);
    return result;
  };
}

/** Takes out of an object of the API what may be secret by its place: literal values of variables, applied configurations. */
export function withoutSecretPlaces(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutSecretPlaces);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => name !== 'managedFields' && !name.endsWith('last-applied-configuration'))
      .map(([name, child]) => [name, name === 'env' ? withoutValues(child) : withoutSecretPlaces(child)]),
  );
}

function withoutValues(env: unknown): unknown {
  if (!Array.isArray(env)) return env;
  return env.map((variable: unknown) =>
    typeof variable === 'object' && variable !== null && 'value' in variable
      ? { ...variable, value: REMOVED }
      : variable,
  );
}
