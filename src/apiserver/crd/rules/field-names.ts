const RESERVED: ReadonlySet<string> = new Set(
  'true false null in as break const continue else for function if import let loop package namespace return'.split(
    ' ',
  ),
);
const SIGNS: ReadonlyMap<string, string> = new Map([
  ['__', 'underscores'],
  ['.', 'dot'],
  ['-', 'dash'],
  ['/', 'slash'],
]);
const BY_WORD: ReadonlyMap<string, string> = new Map([...SIGNS].map(([sign, word]) => [word, sign]));

/** A field's name as an identifier of CEL; undefined where it has none. Mirrors apiserver pkg/cel/escaping.go. */
export function escapeField(name: string): string | undefined {
  if (name === '' || /^\d/.test(name)) return undefined;
  if (RESERVED.has(name)) return `__${name}__`;
  if (!/^[A-Za-z0-9_./-]+$/.test(name)) return undefined;
  return name.replaceAll(/__|[./-]/g, (sign) => `__${SIGNS.get(sign) ?? ''}__`);
}

/** The field that an identifier stands for; undefined where it stands for none. */
export function unescapeField(escaped: string): string | undefined {
  let isValid = true;
  const name = escaped.replaceAll(/_{2}[^_]+_{2}/g, (part) => {
    const word = part.slice(2, -2);
    const sign = BY_WORD.get(word);
    if (sign !== undefined) return sign;
    if (!RESERVED.has(word) || part.length !== escaped.length) isValid = false;
    return word;
  });
  return isValid ? name : undefined;
}
