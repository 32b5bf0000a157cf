import {
  addQuantities,
  compareQuantities,
  parseQuantity,
  quantityFromValue,
  quantityToNumber,
  subtractQuantities,
} from '../../api/quantity.ts';
import type { Quantity } from '../../api/quantity.ts';
import { messageOf } from '../../base/errors.ts';
import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { nameType, struct } from '../types.ts';
import { OpaqueValue } from '../values.ts';
import type { Value } from '../values.ts';

const TYPE = nameType(struct('kubernetes.Quantity'));
const NANO = 1_000_000_000n;
const MAX_INT = 2n ** 63n - 1n;

class QuantityValue extends OpaqueValue {
  override readonly type = TYPE;
  readonly quantity: Quantity;

  constructor(quantity: Quantity) {
    super();
    this.quantity = quantity;
  }

  override equals(other: Value): boolean {
    return other instanceof QuantityValue && compareQuantities(this.quantity, other.quantity) === 0;
  }
}

const amount = (value: Value): Quantity => (value as QuantityValue).quantity;

function read(text: string): QuantityValue {
  try {
    return new QuantityValue(parseQuantity(text));
  } catch (error) {
    throw new EvaluationError(messageOf(error), { cause: error });
  }
}

function isQuantity(text: string): boolean {
  try {
    parseQuantity(text);
    return true;
  } catch {
    return false;
  }
}

/** undefined where it is no whole number, or none that an int can be. */
function asInteger({ nanos }: Quantity): bigint | undefined {
  const whole = nanos / NANO;
  return nanos % NANO === 0n && whole <= MAX_INT && whole >= -MAX_INT - 1n ? whole : undefined;
}

function integer(value: Value): bigint {
  const whole = asInteger(amount(value));
  if (whole === undefined) throw new EvaluationError('cannot convert value to integer');
  return whole;
}

const Q = 'kubernetes.Quantity';

/** Amounts like 1500m and 2Gi. Mirrors apiserver pkg/cel/library/quantity.go. */
export const QUANTITIES: readonly FunctionDeclaration[] = [
  declare(
    'quantity',
    overload('string_to_quantity', `(string) -> ${Q}`, (a) => read(a as string)),
  ),
  declare(
    'isQuantity',
    overload('is_quantity_string', '(string) -> bool', (a) => isQuantity(a as string)),
  ),
  declare(
    'sign',
    overload('quantity_sign', `(${Q}) -> int`, (a) =>
      BigInt(compareQuantities(amount(a), quantityFromValue(0))),
    ),
  ),
  declare(
    'isGreaterThan',
    overload(
      'quantity_is_greater_than',
      `${Q}.(${Q}) -> bool`,
      (a, b) => compareQuantities(amount(a), amount(b)) > 0,
    ),
  ),
  declare(
    'isLessThan',
    overload(
      'quantity_is_less_than',
      `${Q}.(${Q}) -> bool`,
      (a, b) => compareQuantities(amount(a), amount(b)) < 0,
    ),
  ),
  declare(
    'compareTo',
    overload('quantity_compare_to', `${Q}.(${Q}) -> int`, (a, b) =>
      BigInt(compareQuantities(amount(a), amount(b))),
    ),
  ),
  declare(
    'asApproximateFloat',
    overload('quantity_get_float', `${Q}.() -> double`, (a) => quantityToNumber(amount(a))),
  ),
  declare('asInteger', overload('quantity_get_int', `${Q}.() -> int`, integer)),
  declare(
    'isInteger',
    overload('quantity_is_integer', `${Q}.() -> bool`, (a) => asInteger(amount(a)) !== undefined),
  ),
  declare(
    'add',
    overload(
      'quantity_add',
      `${Q}.(${Q}) -> ${Q}`,
      (a, b) => new QuantityValue(addQuantities(amount(a), amount(b))),
    ),
    overload(
      'quantity_add_int',
      `${Q}.(int) -> ${Q}`,
      (a, b) => new QuantityValue(addQuantities(amount(a), quantityFromValue(b as bigint))),
    ),
  ),
  declare(
    'sub',
    overload(
      'quantity_sub',
      `${Q}.(${Q}) -> ${Q}`,
      (a, b) => new QuantityValue(subtractQuantities(amount(a), amount(b))),
    ),
    overload(
      'quantity_sub_int',
      `${Q}.(int) -> ${Q}`,
      (a, b) => new QuantityValue(subtractQuantities(amount(a), quantityFromValue(b as bigint))),
    ),
  ),
];
