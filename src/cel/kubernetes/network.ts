import { declare, overload } from '../functions.ts';
import type { FunctionDeclaration } from '../functions.ts';
import { EvaluationError } from '../issues.ts';
import { nameType, opaque } from '../types.ts';
import { OpaqueValue } from '../values.ts';
import type { Value } from '../values.ts';
import { formatAddress, isMapped, masked, parseAddress, parsePrefix, prefixContains } from './address.ts';
import type { Address, Prefix } from './address.ts';

export const IP_TYPE = nameType(opaque('net.IP'));
export const CIDR_TYPE = nameType(opaque('net.CIDR'));

class IpValue extends OpaqueValue {
  override readonly type = IP_TYPE;
  readonly address: Address;

  constructor(address: Address) {
    super();
    this.address = address;
  }

  override get costSize(): number {
    return this.address.length;
  }

  override equals(other: Value): boolean {
    return other instanceof IpValue && Buffer.compare(this.address, other.address) === 0;
  }
}

class CidrValue extends OpaqueValue {
  override readonly type = CIDR_TYPE;
  readonly prefix: Prefix;

  constructor(prefix: Prefix) {
    super();
    this.prefix = prefix;
  }

  override get costSize(): number {
    return Math.ceil(this.prefix.bits / 8);
  }

  override equals(other: Value): boolean {
    if (!(other instanceof CidrValue) || this.prefix.bits !== other.prefix.bits) return false;
    return Buffer.compare(this.prefix.address, other.prefix.address) === 0;
  }
}

function tryAddress(text: string): Address | string {
  const parsed = parseAddress(text);
  const quoted = JSON.stringify(text);
  if ('problem' in parsed) {
    return `IP Address ${quoted} parse error during conversion from string: ${parsed.problem}`;
  }
  if (parsed.zone !== '') return `IP address ${quoted} with zone value is not allowed`;
  if (isMapped(parsed.address)) return `IPv4-mapped IPv6 address ${quoted} is not allowed`;
  return parsed.address;
}

function toIp(text: string): IpValue {
  const address = tryAddress(text);
  if (typeof address === 'string') throw new EvaluationError(address);
  return new IpValue(address);
}

function tryPrefix(text: string): Prefix | string {
  const parsed = parsePrefix(text);
  if ('problem' in parsed)
    return `network address parse error during conversion from string: ${parsed.problem}`;
  return isMapped(parsed.address)
    ? `IPv4-mapped IPv6 address ${JSON.stringify(text)} is not allowed`
    : parsed;
}

function toCidr(text: string): CidrValue {
  const prefix = tryPrefix(text);
  if (typeof prefix === 'string') {
    throw new EvaluationError(`network address parse error during conversion from string: ${prefix}`);
  }
  return new CidrValue(prefix);
}

const addressOf = (value: Value): Address => (value as IpValue).address;
const prefixOf = (value: Value): Prefix => (value as CidrValue).prefix;

function containsPrefix(outer: Prefix, inner: Prefix): boolean {
  return outer.bits <= inner.bits && prefixContains(outer, inner.address);
}

/** What Go's netip says of an address. */
const KINDS: ReadonlyArray<readonly [name: string, id: string, is: (bytes: Address) => boolean]> = [
  ['isUnspecified', 'ip_is_unspecified', isUnspecified],
  ['isLoopback', 'ip_is_loopback', isLoopback],
  ['isLinkLocalMulticast', 'ip_is_link_local_multicast', isLinkLocalMulticast],
  ['isLinkLocalUnicast', 'ip_is_link_local_unicast', isLinkLocalUnicast],
  ['isGlobalUnicast', 'ip_is_global_unicast', isGlobalUnicast],
];

function isUnspecified(bytes: Address): boolean {
  return bytes.every((byte) => byte === 0);
}

function isLoopback(bytes: Address): boolean {
  if (bytes.length === 4) return bytes[0] === 127;
  return bytes.every((byte, index) => byte === (index === 15 ? 1 : 0));
}

function isMulticast(bytes: Address): boolean {
  return bytes.length === 4 ? ((bytes[0] ?? 0) & 0xf0) === 0xe0 : bytes[0] === 0xff;
}

function isLinkLocalMulticast(bytes: Address): boolean {
  if (bytes.length === 4) return bytes[0] === 224 && bytes[1] === 0 && bytes[2] === 0;
  return bytes[0] === 0xff && ((bytes[1] ?? 0) & 0x0f) === 2;
}

function isLinkLocalUnicast(bytes: Address): boolean {
  if (bytes.length === 4) return bytes[0] === 169 && bytes[1] === 254;
  return bytes[0] === 0xfe && ((bytes[1] ?? 0) & 0xc0) === 0x80;
}

function isGlobalUnicast(bytes: Address): boolean {
  const isBroadcast = bytes.length === 4 && bytes.every((byte) => byte === 255);
  return (
    !isBroadcast &&
    !isUnspecified(bytes) &&
    !isLoopback(bytes) &&
    !isMulticast(bytes) &&
    !isLinkLocalUnicast(bytes)
  );
}

/** Addresses and networks. Mirrors apiserver pkg/cel/library/{ip,cidr}.go. */
export const NETWORKS: readonly FunctionDeclaration[] = [
  declare(
    'ip',
    overload('string_to_ip', '(string) -> net.IP', (a) => toIp(a as string)),
    overload('cidr_ip', 'net.CIDR.() -> net.IP', (a) => new IpValue(prefixOf(a).address)),
  ),
  declare(
    'family',
    overload('ip_family', 'net.IP.() -> int', (a) => (addressOf(a).length === 4 ? 4n : 6n)),
  ),
  declare(
    'ip.isCanonical',
    overload('ip_is_canonical', '(string) -> bool', (a) => formatAddress(toIp(a as string).address) === a),
  ),
  ...KINDS.map(([name, id, is]) =>
    declare(
      name,
      overload(id, 'net.IP.() -> bool', (a) => is(addressOf(a))),
    ),
  ),
  declare(
    'isIP',
    overload('is_ip', '(string) -> bool', (a) => typeof tryAddress(a as string) !== 'string'),
  ),
  declare(
    'string',
    overload('ip_to_string', '(net.IP) -> string', (a) => formatAddress(addressOf(a))),
    overload(
      'cidr_to_string',
      '(net.CIDR) -> string',
      (a) => `${formatAddress(prefixOf(a).address)}/${prefixOf(a).bits}`,
    ),
  ),
  declare(
    'cidr',
    overload('string_to_cidr', '(string) -> net.CIDR', (a) => toCidr(a as string)),
  ),
  declare(
    'containsIP',
    overload('cidr_contains_ip_string', 'net.CIDR.(string) -> bool', (a, b) =>
      prefixContains(prefixOf(a), toIp(b as string).address),
    ),
    overload('cidr_contains_ip_ip', 'net.CIDR.(net.IP) -> bool', (a, b) =>
      prefixContains(prefixOf(a), addressOf(b)),
    ),
  ),
  declare(
    'containsCIDR',
    overload('cidr_contains_cidr_string', 'net.CIDR.(string) -> bool', (a, b) =>
      containsPrefix(prefixOf(a), toCidr(b as string).prefix),
    ),
    overload('cidr_contains_cidr', 'net.CIDR.(net.CIDR) -> bool', (a, b) =>
      containsPrefix(prefixOf(a), prefixOf(b)),
    ),
  ),
  declare(
    'prefixLength',
    overload('cidr_prefix_length', 'net.CIDR.() -> int', (a) => BigInt(prefixOf(a).bits)),
  ),
  declare(
    'masked',
    overload('cidr_masked', 'net.CIDR.() -> net.CIDR', (a) => new CidrValue(masked(prefixOf(a)))),
  ),
  declare(
    'isCIDR',
    overload('is_cidr', '(string) -> bool', (a) => typeof tryPrefix(a as string) !== 'string'),
  ),
];
