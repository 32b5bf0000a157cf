import {
  bitString,
  boolean,
  child,
  children,
  content,
  context,
  decode,
  encode,
  isBoolean,
  octetString,
  oid,
  readBits,
  readOid,
  sequence,
  type Node,
} from './der.ts';
import { decodeAlternativeNames, encodeAlternativeNames, type AlternativeNames } from './names.ts';

/** Key usages by the names that certificates.k8s.io gives them. */
export type KeyUsage =
  | 'signing'
  | 'digital signature'
  | 'content commitment'
  | 'key encipherment'
  | 'data encipherment'
  | 'key agreement'
  | 'cert sign'
  | 'crl sign'
  | 'any'
  | 'server auth'
  | 'client auth'
  | 'code signing'
  | 'email protection';

// Bit numbers of RFC 5280's KeyUsage.
const BITS: Partial<Record<KeyUsage, number>> = {
  signing: 0,
  'digital signature': 0,
  'content commitment': 1,
  'key encipherment': 2,
  'data encipherment': 3,
  'key agreement': 4,
  'cert sign': 5,
  'crl sign': 6,
};
const EXTENDED: Partial<Record<KeyUsage, string>> = {
  any: '2.5.29.37.0',
  'server auth': '1.3.6.1.5.5.7.3.1',
  'client auth': '1.3.6.1.5.5.7.3.2',
  'code signing': '1.3.6.1.5.5.7.3.3',
  'email protection': '1.3.6.1.5.5.7.3.4',
};
const KEY_USAGE = '2.5.29.15';
const EXTENDED_KEY_USAGE = '2.5.29.37';
const BASIC_CONSTRAINTS = '2.5.29.19';
const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
const SUBJECT_KEY_IDENTIFIER = '2.5.29.14';
const AUTHORITY_KEY_IDENTIFIER = '2.5.29.35';

/** Whether `usage` is a name that we can put into a certificate. */
export const isKeyUsage = (usage: string): usage is KeyUsage => usage in BITS || usage in EXTENDED;

export interface ExtensionFields {
  usages: readonly KeyUsage[];
  names?: Partial<AlternativeNames>;
  /** Only with names of an empty subject must the SAN be critical. */
  subjectEmpty?: boolean;
  /** A CA's: `pathLength` is the number of CAs that may follow, undefined is any. */
  certificateAuthority?: { pathLength?: number };
  subjectKeyId?: Uint8Array;
  authorityKeyId?: Uint8Array;
}

function extension(id: string, critical: boolean, value: Node): Node {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octetString(encode(value)));
}

function keyUsageBits(usages: readonly KeyUsage[]): Node | undefined {
  const bits = usages.map((usage) => BITS[usage]).filter((bit) => bit !== undefined);
  if (bits.length === 0) return undefined;
  let byte = 0;
  for (const bit of bits) byte |= 0x80 >> bit;
  return bitString(Buffer.from([byte]), 7 - Math.max(...bits));
}

/** The extensions as a SEQUENCE, in the order that Go writes them. */
export function encodeExtensions(fields: ExtensionFields): Node {
  const list: Node[] = [];
  const bits = keyUsageBits(fields.usages);
  if (bits) list.push(extension(KEY_USAGE, true, bits));
  const extended = fields.usages.map((usage) => EXTENDED[usage]).filter((id) => id !== undefined);
  if (extended.length > 0) list.push(extension(EXTENDED_KEY_USAGE, false, sequence(...extended.map(oid))));
  const authority = fields.certificateAuthority;
  const { pathLength } = authority ?? {};
  const limit = pathLength === undefined ? [] : [integerNode(pathLength)];
  // A request carries none; a leaf says that it is no CA.
  if (authority) list.push(extension(BASIC_CONSTRAINTS, true, sequence(boolean(true), ...limit)));
  else if (fields.authorityKeyId) list.push(extension(BASIC_CONSTRAINTS, true, sequence()));
  if (fields.subjectKeyId)
    list.push(extension(SUBJECT_KEY_IDENTIFIER, false, octetString(fields.subjectKeyId)));
  if (fields.authorityKeyId) {
    list.push(extension(AUTHORITY_KEY_IDENTIFIER, false, sequence(context(0, fields.authorityKeyId))));
  }
  const names = encodeAlternativeNames(fields.names ?? {});
  if (names) list.push(extension(SUBJECT_ALTERNATIVE_NAME, fields.subjectEmpty === true, names));
  return sequence(...list);
}

const integerNode = (value: number): Node => decode(Buffer.from([2, 1, value]));

export interface ParsedExtensions {
  usages: KeyUsage[];
  names: AlternativeNames;
  isCertificateAuthority: boolean;
  subjectKeyId: Buffer | undefined;
}

/** Reads the extensions that we write; others are passed over. */
export function decodeExtensions(list: Node | undefined): ParsedExtensions {
  const found = new Map<string, Node>();
  for (const item of list === undefined ? [] : children(list)) {
    const parts = children(item);
    const value = parts[1] !== undefined && isBoolean(parts[1]) ? child(item, 2) : child(item, 1);
    found.set(readOid(child(item, 0)), decode(content(value)));
  }
  const usages: KeyUsage[] = [];
  const bits = found.get(KEY_USAGE);
  const byte = bits === undefined ? 0 : (readBits(bits)[0] ?? 0);
  for (const [name, bit] of Object.entries(BITS)) {
    if (name !== 'signing' && byte & (0x80 >> bit)) usages.push(name as KeyUsage);
  }
  const extended = found.get(EXTENDED_KEY_USAGE);
  const ids = extended === undefined ? [] : children(extended).map(readOid);
  for (const [name, id] of Object.entries(EXTENDED)) if (ids.includes(id)) usages.push(name as KeyUsage);
  const constraints = found.get(BASIC_CONSTRAINTS);
  const flag = constraints === undefined ? undefined : children(constraints)[0];
  const subjectKeyId = found.get(SUBJECT_KEY_IDENTIFIER);
  return {
    usages,
    names: decodeAlternativeNames(found.get(SUBJECT_ALTERNATIVE_NAME)),
    isCertificateAuthority: flag !== undefined && isBoolean(flag) && content(flag)[0] !== 0,
    subjectKeyId: subjectKeyId === undefined ? undefined : content(subjectKeyId),
  };
}
