import asn1 from 'node-forge/lib/asn1.js';
import type { asn1 as types } from 'node-forge';

/** A node of an ASN.1 tree. */
export type Node = types.Asn1;

// forge keeps bytes as "binary strings", one char a byte; everything here converts at the border.
const bytesToForge = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');
const bytesOf = (node: Node): Buffer =>
  typeof node.value === 'string' ? Buffer.from(node.value, 'latin1') : encode(node).subarray(0);

const universal = (type: types.Type, constructed: boolean, value: string | Node[]): Node =>
  asn1.create(asn1.Class.UNIVERSAL, type, constructed, value);

export const sequence = (...items: Node[]): Node => universal(asn1.Type.SEQUENCE, true, items);
export const set = (...items: Node[]): Node => universal(asn1.Type.SET, true, items);
export const oid = (dotted: string): Node =>
  universal(asn1.Type.OID, false, asn1.oidToDer(dotted).getBytes());
export const nothing = (): Node => universal(asn1.Type.NULL, false, '');
export const boolean = (value: boolean): Node =>
  universal(asn1.Type.BOOLEAN, false, value ? '\u00ff' : '\u0000');
export const octetString = (bytes: Uint8Array): Node =>
  universal(asn1.Type.OCTETSTRING, false, bytesToForge(bytes));
export const bitString = (bytes: Uint8Array, unusedBits = 0): Node =>
  universal(asn1.Type.BITSTRING, false, bytesToForge(Buffer.concat([Buffer.from([unusedBits]), bytes])));
export const utf8String = (text: string): Node =>
  universal(asn1.Type.UTF8, false, bytesToForge(Buffer.from(text, 'utf8')));
/** An INTEGER from its big-endian magnitude; a leading zero keeps it positive, superfluous ones go. */
export function integer(magnitude: Uint8Array): Node {
  let start = 0;
  while (start < magnitude.length - 1 && magnitude[start] === 0) start += 1;
  const short = Buffer.from(magnitude.subarray(start));
  const positive = (short[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), short]) : short;
  return universal(asn1.Type.INTEGER, false, bytesToForge(positive));
}
/** `[tag]` of the context class: constructed around nodes, or primitive around bytes. */
export function context(tag: number, content: Node[] | Uint8Array): Node {
  const value = Array.isArray(content) ? content : bytesToForge(content);
  // A context tag is a bare number, which forge's types call a universal one.
  // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
  return asn1.create(asn1.Class.CONTEXT_SPECIFIC, tag, Array.isArray(content), value);
}

/** UTCTime until 2049, GeneralizedTime from 2050 on, as RFC 5280 wants it. Whole seconds. */
export function time(epochMs: number): Node {
  const digits = new Date(epochMs).toISOString().replace(/[-:T]/g, '').slice(0, 14);
  const year = Number(digits.slice(0, 4));
  return year < 2050
    ? universal(asn1.Type.UTCTIME, false, `${digits.slice(2)}Z`)
    : universal(asn1.Type.GENERALIZEDTIME, false, `${digits}Z`);
}

export const encode = (node: Node): Buffer => Buffer.from(asn1.toDer(node).getBytes(), 'latin1');

/** Parses DER strictly (trailing bytes refused). Throws a plain Error with forge's words on anything else. */
export function decode(der: Uint8Array): Node {
  const options = { strict: true, parseAllBytes: true, decodeBitStrings: false };
  return asn1.fromDer(bytesToForge(der), options as unknown as boolean);
}

/** The children of a constructed node; throws where the node is primitive. */
export function children(node: Node | undefined): Node[] {
  if (node === undefined || !Array.isArray(node.value))
    throw new Error('DER: a constructed value was expected');
  return node.value;
}

/** The n-th child; throws where there is none. */
export function child(node: Node | undefined, index: number): Node {
  const found = children(node)[index];
  if (found === undefined) throw new Error(`DER: element ${index} is missing`);
  return found;
}

/** The content bytes of a primitive node. */
export function content(node: Node): Buffer {
  if (typeof node.value !== 'string') throw new Error('DER: a primitive value was expected');
  return bytesOf(node);
}

export const readOid = (node: Node): string => asn1.derToOid(bytesToForge(content(node)));
/** The bits of a BIT STRING, its count of unused bits dropped. */
export const readBits = (node: Node): Buffer => content(node).subarray(1);
/** Any of the string types (UTF8, Printable, IA5 …) as text. */
export const readText = (node: Node): string => content(node).toString('utf8');
export const isContext = (node: Node, tag: number): boolean =>
  node.tagClass === asn1.Class.CONTEXT_SPECIFIC && (node.type as number) === tag;
export const isBoolean = (node: Node): boolean =>
  node.tagClass === asn1.Class.UNIVERSAL && node.type === asn1.Type.BOOLEAN;
