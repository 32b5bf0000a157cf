import { LISTS, SETS } from './library/lists.ts';
import { CONVERSIONS } from './library/conversions.ts';
import { MOMENTS } from './library/moments.ts';
import { OPERATORS } from './library/operators.ts';
import { OPTIONALS } from './library/optionals.ts';
import { STRINGS } from './library/strings.ts';
import type { FunctionDeclaration } from './functions.ts';
import * as t from './types.ts';
import type { Type } from './types.ts';

/** The language with the extensions that Kubernetes has. */
export const STANDARD_FUNCTIONS: readonly FunctionDeclaration[] = [
  ...OPERATORS,
  ...CONVERSIONS,
  ...MOMENTS,
  ...STRINGS,
  ...OPTIONALS,
  ...SETS,
  ...LISTS,
];

/** The types whose names are values. */
export const STANDARD_TYPES: ReadonlyMap<string, Type> = new Map<string, Type>([
  ['bool', t.BOOL],
  ['bytes', t.BYTES],
  ['double', t.DOUBLE],
  ['google.protobuf.Duration', t.DURATION],
  ['google.protobuf.Timestamp', t.TIMESTAMP],
  ['int', t.INT],
  ['list', t.listOf(t.DYN)],
  ['map', t.mapOf(t.DYN, t.DYN)],
  ['null_type', t.NULL],
  ['optional_type', t.optionalOf(t.DYN)],
  ['string', t.STRING],
  ['type', t.TYPE],
  ['uint', t.UINT],
]);
