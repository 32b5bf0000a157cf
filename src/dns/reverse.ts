import { isIPv4 } from 'node:net';
import { ipv6Bytes } from './encode.ts';

/** '1.0.96.10.in-addr.arpa' → '10.96.0.1'; undefined for a name that stands for no whole address. */
export function addressOfReverseName(name: string): string | undefined {
  if (name.endsWith('.in-addr.arpa')) {
    const address = name.slice(0, -'.in-addr.arpa'.length).split('.').toReversed().join('.');
    return isIPv4(address) ? address : undefined;
  }
  if (!name.endsWith('.ip6.arpa')) return undefined;
  const digits = name.slice(0, -'.ip6.arpa'.length).split('.').toReversed();
  if (digits.length !== 32 || digits.some((digit) => !/^[0-9a-f]$/.test(digit))) return undefined;
  return canonicalAddress(digits.join('').replaceAll(/(.{4})(?=.)/g, '$1:'));
}

/** One spelling for each address, so that it can be looked up. */
export function canonicalAddress(address: string): string {
  if (isIPv4(address)) return address;
  const bytes = ipv6Bytes(address);
  const groups = Array.from({ length: 8 }, (_, i) =>
    (((bytes[2 * i] ?? 0) << 8) | (bytes[2 * i + 1] ?? 0)).toString(16),
  );
  return groups.join(':');
}
