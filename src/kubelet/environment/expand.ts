/**
 * Expands '$(NAME)' in a text; '$$' is a '$', and a reference that is not known stays as it is written.
 * Mirrors k8s.io/kubernetes/third_party/forked/golang/expansion/expand.go.
 */
export function expand(text: string, lookup: (name: string) => string | undefined): string {
  let result = '';
  for (let index = 0; index < text.length; index += 1) {
    const char = text[index] as string;
    if (char !== '$' || index + 1 >= text.length) {
      result += char;
      continue;
    }
    const next = text[index + 1] as string;
    if (next === '$') {
      result += '$';
      index += 1;
      continue;
    }
    const close = next === '(' ? text.indexOf(')', index + 2) : -1;
    if (close < 0) {
      // Not a reference: both characters are kept, and an opening parenthesis is not looked at again.
      result += next === '(' ? '$(' : `$${next}`;
      index += 1;
      continue;
    }
    const name = text.slice(index + 2, close);
    result += lookup(name) ?? `$(${name})`;
    index = close;
  }
  return result;
}

/** As `expand`, for subPathExpr: every reference must be known. Returns the missing names too. */
export function expandStrictly(
  text: string,
  lookup: (name: string) => string | undefined,
): { text: string; missing: string[] } {
  const missing: string[] = [];
  const expanded = expand(text, (name) => {
    const value = lookup(name);
    if (value === undefined || value === '') missing.push(name);
    return value;
  });
  return { text: expanded, missing };
}
