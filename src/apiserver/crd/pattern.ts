import { RE2JS } from 're2js';

const MAX_CACHED = 1000;
const cache = new Map<string, RE2JS>();

/**
 * A regular expression with Go's syntax, which matches in linear time: a definition's author must not be able
 * to stall the server. Throws an Error with Go's text where it is none.
 */
export function compilePattern(source: string): { matches(text: string): boolean } {
  let compiled = cache.get(source);
  if (!compiled) {
    compiled = RE2JS.compile(source);
    if (cache.size >= MAX_CACHED) cache.clear();
    cache.set(source, compiled);
  }
  const pattern = compiled;
  return { matches: (text) => pattern.matcher(text).find() };
}
