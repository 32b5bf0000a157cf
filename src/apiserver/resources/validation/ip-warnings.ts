import { isIP, isIPv4 } from 'node:net';
import { jsonQuote } from '../../json-quote.ts';
import { bigIntToIp, ipToBigInt } from './ip.ts';

/** Without leading zeros, which older rules let through. */
function plain(address: string): string {
  return address.includes(':') ? address : address.replace(/(^|\.)0+(?=[0-9])/g, '$1');
}

/** As Go prints the address: an IPv4 one that is written within IPv6 is an IPv4 one. */
function printed(address: string): string {
  const text = plain(address);
  const value = ipToBigInt(text);
  if (isIPv4(text)) return bigIntToIp(value, 4);
  return value >> 32n === 0xffffn ? bigIntToIp(value & 0xffffffffn, 4) : bigIntToIp(value, 6);
}

function isMapped(address: string): boolean {
  return isIP(address) === 6 && ipToBigInt(address) >> 32n === 0xffffn;
}

/** Of an address that is let through although it is not written as it should be. Mirrors GetWarningsForIP of apimachinery pkg/util/validation/ip.go. */
export function ipWarnings(field: string, value: string): string[] {
  if (isIP(plain(value)) === 0 || value.includes('%')) return [];
  const use = printed(value);
  if (isIP(value) === 0 || isMapped(value)) {
    return [`${field}: non-standard IP address ${jsonQuote(value)} is invalid: use ${jsonQuote(use)}`];
  }
  if (isIPv4(value) || use === value) return [];
  const canonical = `in RFC 5952 canonical format (${jsonQuote(use)})`;
  return [`${field}: IPv6 address ${jsonQuote(value)} should be ${canonical}`];
}

/** As ipWarnings, of a range. Mirrors GetWarningsForCIDR of the same file. */
export function cidrWarnings(field: string, value: string): string[] {
  const [address = '', length = ''] = value.split('/');
  const text = plain(address);
  if (isIP(text) === 0 || !/^[0-9]+$/.test(length)) return [];
  const bits = isIPv4(text) ? 32 : 128;
  const whole = ipToBigInt(text);
  const hostBits = BigInt(Math.max(0, bits - Number(length)));
  const network = (whole >> hostBits) << hostBits;
  const range = `${bigIntToIp(network, bits === 32 ? 4 : 6)}/${Number(length)}`;
  const warnings: string[] = [];
  if (network !== whole) {
    const single = `${printed(address)}/${bits}`;
    const choice = `(should be ${jsonQuote(range)} or ${jsonQuote(single)}?)`;
    warnings.push(`${field}: CIDR value ${jsonQuote(value)} is ambiguous in this context ${choice}`);
  }
  if (isIP(address) === 0 || isMapped(address) || /^0[0-9]/.test(length)) {
    warnings.push(
      `${field}: non-standard CIDR value ${jsonQuote(value)} is invalid: use ${jsonQuote(range)}`,
    );
  } else if (bits === 128 && bigIntToIp(whole, 6) !== address) {
    const canonical = `in RFC 5952 canonical format (${jsonQuote(`${bigIntToIp(whole, 6)}/${Number(length)}`)})`;
    warnings.push(`${field}: IPv6 CIDR value ${jsonQuote(value)} should be ${canonical}`);
  }
  return warnings;
}
