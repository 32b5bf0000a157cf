import { SlipwayError } from '../base/errors.ts';

export type IntOrString = number | string;

/**
 * The number a value stands for: itself, or its share of `total` where it is a percentage. Throws
 * SlipwayError with upstream's text where a string is no percentage. Mirrors apimachinery's util/intstr.
 */
export function scaledValue(value: IntOrString, total: number, roundUp: boolean): number {
  if (typeof value === 'number') return value;
  const match = /^([+-]?\d+)%$/.exec(value);
  if (!match) {
    const reason = value.endsWith('%')
      ? `invalid value ${JSON.stringify(value)}: strconv.Atoi: parsing ${JSON.stringify(value.slice(0, -1))}: invalid syntax`
      : 'invalid type: string is not a percentage';
    throw new SlipwayError('E_INT_OR_PERCENT', `invalid value for IntOrString: ${reason}`, {
      hint: "write a number or a percentage such as '25%'",
    });
  }
  const share = (Number(match[1]) * total) / 100;
  return roundUp ? Math.ceil(share) : Math.floor(share);
}

/** The port that a value names: the number, or the number of the port with that name. */
export function resolvePort(
  value: IntOrString,
  ports: ReadonlyArray<{ name?: string; containerPort?: number }>,
): number | undefined {
  if (typeof value === 'number') return value;
  return ports.find((port) => port.name === value)?.containerPort;
}
