/**
 * Order of keys by their UTF-8 bytes, as etcd and sqlite's BINARY collation have it. JavaScript compares
 * UTF-16 code units, which puts characters beyond the basic plane (surrogates, 0xD800 to 0xDFFF) before
 * U+E000 to U+FFFF; UTF-8 puts them after.
 */
export function compareKeys(a: string, b: string): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a.charCodeAt(i);
    const right = b.charCodeAt(i);
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

function utf8Rank(codeUnit: number): number {
  if (codeUnit < 0xd800) return codeUnit;
  return codeUnit < 0xe000 ? codeUnit + 0x2000 : codeUnit - 0x800;
}

/** A key must survive the way to UTF-8 and back; anything else would be stored under another name. */
export function checkKey(key: string): void {
  if (key === '') throw new RangeError('a key must not be empty');
  if (!key.isWellFormed() || key.includes('\0')) {
    throw new RangeError(`a key must be well-formed Unicode without NUL: ${JSON.stringify(key)}`);
  }
}

/** Checks what RangeOptions demand and returns the effective first key and limit (Infinity: all; 0 is all, as in etcd). */
export function rangeBounds(options: { prefix: string; start?: string; limit?: number }): {
  first: string;
  limit: number;
} {
  const { prefix, start, limit = 0 } = options;
  if (start !== undefined && !start.startsWith(prefix)) {
    throw new RangeError(
      `start must begin with the prefix ${JSON.stringify(prefix)}: ${JSON.stringify(start)}`,
    );
  }
  if (!Number.isInteger(limit) || limit < 0) {
    throw new RangeError(`limit must be a whole number of 0 or more: ${limit}`);
  }
  return { first: start ?? prefix, limit: limit === 0 ? Infinity : limit };
}
