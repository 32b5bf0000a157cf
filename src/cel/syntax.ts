/** Operators and the functions that they are. */
export const RELATIONS: ReadonlyMap<string, string> = new Map([
  ...['<', '<=', '>=', '>', '==', '!='].map((each) => [each, `_${each}_`] as const),
  ['in', '@in'],
]);
export const SUMS: ReadonlyMap<string, string> = new Map(['+', '-'].map((each) => [each, `_${each}_`]));
export const PRODUCTS: ReadonlyMap<string, string> = new Map(
  ['*', '/', '%'].map((each) => [each, `_${each}_`]),
);

/** Words that name nothing, but for fields and functions of something. */
export const RESERVED: ReadonlySet<string> = new Set(
  'as break const continue else for function if import let loop package namespace return var void while'.split(
    ' ',
  ),
);
