import { RE2JS } from 're2js';
import { messageOf } from '../../base/errors.ts';
import { EvaluationError } from '../issues.ts';

const MAX_CACHED = 1000;
const cache = new Map<string, Regex>();

/** A pattern in Go's syntax, which matches in time linear to the text: nobody can stall the server with one. */
export interface Regex {
  test(text: string): boolean;
  /** All matches from the left, at most `limit` of them. */
  find(text: string, limit: number): string[];
}

/** Throws EvaluationError where it is no pattern. */
export function compileRegex(source: string): Regex {
  const known = cache.get(source);
  if (known) return known;
  let compiled: RE2JS;
  try {
    compiled = RE2JS.compile(source);
  } catch (error) {
    throw new EvaluationError(messageOf(error), { cause: error });
  }
  const regex: Regex = {
    test: (text) => compiled.matcher(text).find(),
    find: (text, limit) => {
      const found: string[] = [];
      const matcher = compiled.matcher(text);
      while (found.length < limit && matcher.find()) found.push(matcher.group() ?? '');
      return found;
    },
  };
  if (cache.size >= MAX_CACHED) cache.clear();
  cache.set(source, regex);
  return regex;
}
