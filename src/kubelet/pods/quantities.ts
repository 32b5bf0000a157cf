import { parseQuantity, quantityMilliValue, quantityValue } from '../../api/quantity.ts';

/** Quantities as plain numbers, rounded up as upstream's Value() and MilliValue() do; 0 where absent. */
export const bytesOf = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(quantityValue(parseQuantity(String(quantity))));

export const milliOf = (quantity: string | number | undefined): number =>
  quantity === undefined ? 0 : Number(quantityMilliValue(parseQuantity(String(quantity))));
