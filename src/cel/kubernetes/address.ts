/** An address: 4 or 16 bytes. Mirrors what Go's net/netip accepts. */
export type Address = Uint8Array;

/** Reads an address; the text of a failure is Go's. IPv6 zones are read and told by `zone`. */
export function parseAddress(text: string): { address: Address; zone: string } | { problem: string } {
  for (const char of text) {
    if (char === '.') return withZone(parseV4(text, text), '');
    if (char === ':') return parseV6(text);
    if (char === '%') return failed(text, 'missing IPv6 address');
  }
  return failed(text, 'unable to parse IP');
}

function withZone(
  address: Address | string,
  zone: string,
): { address: Address; zone: string } | { problem: string } {
  return typeof address === 'string' ? { problem: address } : { address, zone };
}

function failed(text: string, why: string, at?: string): { problem: string } {
  return { problem: message(text, why, at) };
}

function message(text: string, why: string, at?: string): string {
  const where = at === undefined ? '' : ` (at ${JSON.stringify(at)})`;
  return `ParseAddr(${JSON.stringify(text)}): ${why}${where}`;
}

/** The four bytes, or what is wrong. `whole` is the text for the message. */
function parseV4(text: string, whole: string): Address | string {
  const fields = text.split('.');
  for (const [index, field] of fields.entries()) {
    const rest = fields.slice(index).join('.');
    if (field === '')
      return message(whole, 'IPv4 field must have at least one digit', rest === '' ? undefined : rest);
    if (!/^\d+$/.test(field)) {
      const bad = /\D/.exec(field)?.index ?? 0;
      return message(whole, 'unexpected character', rest.slice(bad));
    }
    if (field.length > 1 && field.startsWith('0'))
      return message(whole, 'IPv4 field has octet with leading zero');
    if (Number(field) > 255) return message(whole, 'IPv4 field has value >255');
    if (index > 3) return message(whole, 'IPv4 address too long');
  }
  if (fields.length < 4) return message(whole, 'IPv4 address too short');
  return Uint8Array.from(fields.map(Number));
}

function parseV6(text: string): { address: Address; zone: string } | { problem: string } {
  const percent = text.indexOf('%');
  const body = percent < 0 ? text : text.slice(0, percent);
  const zone = percent < 0 ? '' : text.slice(percent + 1);
  if (percent >= 0 && zone === '') return failed(text, 'zone must be a non-empty string');
  const halves = body.split('::');
  if (halves.length > 2) return failed(text, 'multiple :: in address');
  const groups: number[][] = [];
  for (const half of halves) {
    const parsed = half === '' ? [] : parseGroups(half, text);
    if (typeof parsed === 'string') return { problem: parsed };
    groups.push(parsed);
  }
  const [before = [], after] = groups;
  const count = before.length + (after?.length ?? 0);
  if (after === undefined && count < 16) return failed(text, 'address string too short');
  if (count > 16) return failed(text, 'trailing garbage after address');
  if (after !== undefined && count > 14)
    return failed(text, 'the :: must expand to at least one field of zeros');
  const bytes = [...before, ...Array.from({ length: 16 - count }, () => 0), ...(after ?? [])];
  return { address: Uint8Array.from(bytes), zone };
}

/** The bytes of 'a:b:1.2.3.4', or what is wrong. */
function parseGroups(half: string, whole: string): number[] | string {
  const fields = half.split(':');
  const bytes: number[] = [];
  for (const [index, field] of fields.entries()) {
    const rest = fields.slice(index).join(':');
    if (field.includes('.')) {
      if (index !== fields.length - 1) return message(whole, 'unexpected character, want colon', rest);
      const v4 = parseV4(field, whole);
      if (typeof v4 === 'string') return v4;
      bytes.push(...v4);
      continue;
    }
    if (field === '')
      return message(
        whole,
        'each colon-separated field must have at least one digit',
        rest === '' ? ':' : rest,
      );
    if (!/^[0-9a-fA-F]+$/.test(field)) {
      const bad = /[^0-9a-fA-F]/.exec(field)?.index ?? 0;
      return message(
        whole,
        bad === 0
          ? 'each colon-separated field must have at least one digit'
          : 'unexpected character, want colon',
        rest.slice(bad),
      );
    }
    if (field.length > 4) return message(whole, 'each group must have 4 or less digits', rest);
    const value = Number.parseInt(field, 16);
    bytes.push(value >> 8, value & 0xff);
  }
  return bytes;
}

/** As RFC 5952 writes it. */
export function formatAddress(address: Address): string {
  if (address.length === 4) return address.join('.');
  const groups = Array.from(
    { length: 8 },
    (_, index) => ((address[index * 2] ?? 0) << 8) | (address[index * 2 + 1] ?? 0),
  );
  if (isMapped(address)) return `::ffff:${address.slice(12).join('.')}`;
  const { start, length } = longestZeros(groups);
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  return length < 2 ? text(groups) : `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`;
}

/** An IPv4 address in IPv6's clothes. */
export function isMapped(address: Address): boolean {
  return (
    address.length === 16 &&
    address.slice(0, 10).every((byte) => byte === 0) &&
    address[10] === 0xff &&
    address[11] === 0xff
  );
}

function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  for (let start = 0; start < groups.length; start++) {
    let length = 0;
    while (groups[start + length] === 0) length += 1;
    if (length > best.length) best = { start, length };
  }
  return best;
}

export interface Prefix {
  readonly address: Address;
  readonly bits: number;
}

/** Reads 10.0.0.0/8; bits beyond the prefix may be set. */
export function parsePrefix(text: string): Prefix | { problem: string } {
  const wrong = (why: string): { problem: string } => ({
    problem: `netip.ParsePrefix(${JSON.stringify(text)}): ${why}`,
  });
  const slash = text.lastIndexOf('/');
  if (slash < 0) return wrong("no '/'");
  const parsed = parseAddress(text.slice(0, slash));
  if ('problem' in parsed) return wrong(parsed.problem);
  if (parsed.zone !== '') return wrong('IPv6 zones cannot be present in a prefix');
  const bits = text.slice(slash + 1);
  if (!/^(?:0|[1-9]\d*)$/.test(bits)) return wrong(`bad bits after slash: ${JSON.stringify(bits)}`);
  if (Number(bits) > parsed.address.length * 8) return wrong('prefix length out of range');
  return { address: parsed.address, bits: Number(bits) };
}

/** With zeros beyond the prefix. */
export function masked({ address, bits }: Prefix): Prefix {
  const bytes = address.map((byte, index) => {
    const kept = Math.min(8, Math.max(0, bits - index * 8));
    return byte & (0xff << (8 - kept)) & 0xff;
  });
  return { address: bytes, bits };
}

export function prefixContains(prefix: Prefix, address: Address): boolean {
  if (prefix.address.length !== address.length) return false;
  const [own, other] = [masked(prefix), masked({ address, bits: prefix.bits })];
  return own.address.every((byte, index) => byte === other.address[index]);
}
