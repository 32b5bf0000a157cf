import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { KUBERNETES_LISTS } from '../library/lists.ts';
import { compileRegex } from '../library/regex.ts';
import { ArrayList } from '../values.ts';
import { NETWORKS } from './network.ts';
import { QUANTITIES } from './quantity.ts';
import { VERSIONS } from './semver.ts';
import { URLS } from './url.ts';

function find(text: string, pattern: string, limit: bigint): string[] {
  try {
    return compileRegex(pattern).find(text, limit < 0n ? Infinity : Number(limit));
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new EvaluationError(`Illegal regex: ${error.message}`, { cause: error });
  }
}

/** Mirrors apiserver pkg/cel/library/regex.go. */
const REGEX: readonly FunctionDeclaration[] = [
  declare(
    'find',
    overload(
      'string_find_string',
      'string.(string) -> string',
      (a, b) => find(a as string, b as string, 1n)[0] ?? '',
    ),
  ),
  declare(
    'findAll',
    overload(
      'string_find_all_string',
      'string.(string) -> list(string)',
      (a, b) => new ArrayList(find(a as string, b as string, -1n)),
    ),
    overload(
      'string_find_all_string_int',
      'string.(string, int) -> list(string)',
      (a, b, c) => new ArrayList(find(a as string, b as string, c as bigint)),
    ),
  ),
];

/** Kubernetes' own functions that need nothing but their arguments. */
export const KUBERNETES_FUNCTIONS: readonly FunctionDeclaration[] = [
  ...KUBERNETES_LISTS,
  ...REGEX,
  ...URLS,
  ...QUANTITIES,
  ...NETWORKS,
  ...VERSIONS,
];

/** Only where patches are made. Mirrors apiserver pkg/cel/library/jsonpatch.go. */
export const JSON_PATCH_FUNCTIONS: readonly FunctionDeclaration[] = [
  declare(
    'jsonpatch.escapeKey',
    overload('string_jsonpatch_escapeKey_string', '(string) -> string', (a) =>
      (a as string).replaceAll('~', '~0').replaceAll('/', '~1'),
    ),
  ),
];
