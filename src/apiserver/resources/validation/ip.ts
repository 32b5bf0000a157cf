import { isIP, isIPv4 } from 'node:net';

/** What is wrong with an address; leading zeros and embedded forms are refused, as upstream does for new values. */
export function ipProblems(value: string): string[] {
  if (LEADING_ZERO.test(value) && isIP(withoutZeros(value)) === 4) return ['must not have leading 0s'];
  if (isIP(value) === 0 || value.includes('%')) {
    return ['must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'];
  }
  if (isIP(value) === 6 && /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(value)) {
    return ['must not be an IPv4-mapped IPv6 address'];
  }
  return [];
}

/** 'IPv4', 'IPv6', or '' for what is no address. */
export function ipFamily(value: string): '' | 'IPv4' | 'IPv6' {
  const version = isIP(value);
  return version === 4 ? 'IPv4' : version === 6 ? 'IPv6' : '';
}

/** What is wrong with `10.0.0.0/8` or `2001:db8::/32`. */
export function cidrProblems(value: string): string[] {
  const message = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';
  const [address = '', bits = '', ...more] = value.split('/');
  const version = isIP(address);
  if (version === 0 || more.length > 0 || !/^(0|[1-9][0-9]{0,2})$/.test(bits)) return [message];
  return Number(bits) > (version === 4 ? 32 : 128) ? [message] : [];
}

const LEADING_ZERO = /(^|\.)0[0-9]/;
const MAPPED = /^::ffff:\d+\.\d+\.\d+\.\d+$/i;

/** As ipProblems, and the address must be written as it is printed. Mirrors IsValidIP of apimachinery pkg/util/validation/ip.go. */
export function strictIpProblems(value: string): string[] {
  const problems = ipProblems(value);
  if (problems.length > 0) return problems;
  const canonical = bigIntToIp(ipToBigInt(value), isIPv4(value) ? 4 : 6);
  return canonical === value ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
}

/** As cidrProblems, and the range must be written as it is printed. Mirrors IsValidCIDR of the same file. */
export function strictCidrProblems(value: string): string[] {
  const [address = '', bits = ''] = value.split('/');
  const plain = `${withoutZeros(address)}/${bits.replace(/^0+(?=[0-9])/, '')}`;
  const problems = cidrProblems(plain);
  if (problems.length > 0) return problems;
  const found: string[] = [];
  if (plain !== value) found.push('must not have leading 0s in IP or prefix length');
  if (MAPPED.test(address)) found.push('must not have an IPv4-mapped IPv6 address');
  const version = isIPv4(withoutZeros(address)) ? 4 : 6;
  const whole = ipToBigInt(withoutZeros(address));
  const hostBits = BigInt((version === 4 ? 32 : 128) - Number(bits));
  if (whole !== (whole >> hostBits) << hostBits) {
    found.push('must not have bits set beyond the prefix length');
  }
  if (found.length > 0) return found;
  const canonical = `${bigIntToIp(whole, version)}/${bits}`;
  return canonical === value ? [] : [`must be in canonical form (${JSON.stringify(canonical)})`];
}

function withoutZeros(address: string): string {
  return address.includes(':') ? address : address.replace(/(^|\.)0+(?=[0-9])/g, '$1');
}

/** An address as a number, for ranges. Throws on what is no address. */
export function ipToBigInt(address: string): bigint {
  if (isIPv4(address)) {
    return address.split('.').reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  }
  if (isIP(address) !== 6) throw new Error(`${address} is no IP address`);
  const mapped = address.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) => {
    const hex = (high: string, low: string) => (Number(high) * 256 + Number(low)).toString(16);
    return `${hex(String(a), String(b))}:${hex(String(c), String(d))}`;
  });
  const [head = '', tail] = mapped.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const groups = [...left, ...Array.from({ length: zeros }, () => '0'), ...right];
  return groups.reduce((sum, group) => sum * 65536n + BigInt(`0x${group}`), 0n);
}

/** The address of a number, in canonical form. */
export function bigIntToIp(value: bigint, version: 4 | 6): string {
  if (version === 4) {
    return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  }
  const groups = Array.from({ length: 8 }, (_, index) =>
    ((value >> BigInt(112 - index * 16)) & 0xffffn).toString(16),
  );
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start += 1) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === '0') length += 1;
    if (length > best.length) best = { start, length };
  }
  if (best.start < 0) return groups.join(':');
  const left = groups.slice(0, best.start).join(':');
  return `${left}::${groups.slice(best.start + best.length).join(':')}`;
}
