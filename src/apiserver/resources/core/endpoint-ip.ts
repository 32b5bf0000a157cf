import { ipToBigInt } from '../validation/ip.ts';

/** Addresses that endpoints may not have: those would lead back to whoever asks. Mirrors ValidateEndpointIP. */
export function endpointIpProblems(address: string): string[] {
  const problems: string[] = [];
  const value = ipToBigInt(address);
  const isV4 = !address.includes(':');
  const lower = address.toLowerCase();
  if (value === 0n) problems.push(`may not be unspecified (${address})`);
  if (isV4 ? address.startsWith('127.') : value === 1n) {
    problems.push('may not be in the loopback range (127.0.0.0/8, ::1/128)');
  }
  if (isV4 ? address.startsWith('169.254.') : /^fe[89ab]/.test(lower)) {
    problems.push('may not be in the link-local range (169.254.0.0/16, fe80::/10)');
  }
  if (isV4 ? address.startsWith('224.0.0.') : /^ff[0-9a-f]2:/.test(lower)) {
    problems.push('may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)');
  }
  return problems;
}
