/**
 * Whether two JSON values are the same but for the order of keys. Unlike semantic equality, `{}` differs
 * from nothing: an empty label selector selects everything, an absent one nothing.
 */
export function identicalJson(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    for (let i = 0; i < a.length; i++) if (!identicalJson(a[i], b[i])) return false;
    return true;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  let count = 0;
  for (const name in left) {
    if (left[name] === undefined) continue;
    count += 1;
    if (!identicalJson(left[name], right[name])) return false;
  }
  for (const name in right) if (right[name] !== undefined) count -= 1;
  return count === 0;
}
