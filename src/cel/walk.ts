import type { Expr } from './ast.ts';

/** The expressions directly within one. */
export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'literal':
    case 'ident':
      return [];
    case 'select':
      return [expr.operand];
    case 'call':
      return expr.target ? [expr.target, ...expr.args] : expr.args;
    case 'list':
      return expr.elements;
    case 'map':
      return expr.entries.flatMap(({ key, value }) => [key, value]);
    case 'struct':
      return expr.fields.map(({ value }) => value);
    default:
      return [expr.range, expr.accuInit, expr.condition, expr.step, expr.result];
  }
}

/** An expression and all within it, each with what it is in, the outermost first. */
export function* walk(
  expr: Expr,
  ancestors: readonly Expr[] = [],
): IterableIterator<{ expr: Expr; ancestors: readonly Expr[] }> {
  yield { expr, ancestors };
  const inner = [...ancestors, expr];
  for (const child of childrenOf(expr)) yield* walk(child, inner);
}
