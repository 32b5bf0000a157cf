import { isIPv4, isIPv6 } from 'node:net';

export type Family = 'IPv4' | 'IPv6';

/** How nft names things of an IP family. */
export interface FamilyTerms {
  /** 'ip' or 'ip6': the table's family and the packet header's name. */
  ip: string;
  addressType: string;
  /** Destinations that are never a node port. */
  loopback: string;
}

export const FAMILY_TERMS: Readonly<Record<Family, FamilyTerms>> = {
  IPv4: { ip: 'ip', addressType: 'ipv4_addr', loopback: '127.0.0.0/8' },
  IPv6: { ip: 'ip6', addressType: 'ipv6_addr', loopback: '::1' },
};

/** The family of an address, or undefined for anything that is none: such text never reaches nft. */
export function familyOf(address: string | undefined): Family | undefined {
  if (address === undefined) return undefined;
  if (isIPv4(address)) return 'IPv4';
  return isIPv6(address) && !address.includes('%') ? 'IPv6' : undefined;
}

/** The family of a range such as 10.244.0.0/16; undefined for anything that is none. */
export function familyOfCidr(cidr: string): Family | undefined {
  const [address, bits, rest] = cidr.split('/');
  const family = familyOf(address);
  if (!family || rest !== undefined || !/^\d{1,3}$/.test(bits ?? '')) return undefined;
  return Number(bits) <= (family === 'IPv4' ? 32 : 128) ? family : undefined;
}
