import { isIP } from 'node:net';
import { SlipwayError } from '../base/errors.ts';
import {
  child,
  children,
  content,
  context,
  isContext,
  oid,
  readOid,
  readText,
  sequence,
  set,
  utf8String,
} from './der.ts';
import type { Node } from './der.ts';

/** The part of a distinguished name that Kubernetes reads: user name and groups. */
export interface Subject {
  commonName: string;
  organizations: string[];
}

/** Subject alternative names, by kind. */
export interface AlternativeNames {
  dnsNames: string[];
  ipAddresses: string[];
  emailAddresses: string[];
  uris: string[];
}

const COMMON_NAME = '2.5.4.3';
const ORGANIZATION = '2.5.4.10';

/** O before CN, one attribute a set, as Go's pkix writes it. */
export function encodeName(subject: Subject): Node {
  const attribute = (type: string, value: string): Node => set(sequence(oid(type), utf8String(value)));
  return sequence(
    ...subject.organizations.map((organization) => attribute(ORGANIZATION, organization)),
    ...(subject.commonName === '' ? [] : [attribute(COMMON_NAME, subject.commonName)]),
  );
}

export function decodeName(name: Node): Subject {
  const subject: Subject = { commonName: '', organizations: [] };
  for (const attribute of children(name).flatMap(children)) {
    const type = readOid(child(attribute, 0));
    const value = readText(child(attribute, 1));
    if (type === COMMON_NAME) subject.commonName = value;
    else if (type === ORGANIZATION) subject.organizations.push(value);
  }
  return subject;
}

/** The bytes of an IPv4 (4) or IPv6 (16) address. */
function ipToBytes(address: string): Buffer {
  const family = isIP(address);
  if (family === 4) return Buffer.from(address.split('.').map(Number));
  if (family !== 6 || address.includes('%')) {
    throw new SlipwayError('E_IP', `not an IP address: "${address}"`);
  }
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  let text = address;
  if (dotted) {
    const four = ipToBytes(dotted[2] ?? '');
    text = `${dotted[1]}${four.readUInt16BE(0).toString(16)}:${four.readUInt16BE(2).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => parseInt(group, 16));
  const left = groups(head);
  const right = tail === undefined ? [] : groups(tail);
  const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => 0), ...right];
  const bytes = Buffer.alloc(16);
  all.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

function ipFromBytes(bytes: Buffer): string {
  if (bytes.length === 4) return bytes.join('.');
  if (bytes.length !== 16) throw new Error(`DER: an IP address has 4 or 16 bytes, not ${bytes.length}`);
  const groups = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(index * 2).toString(16)).join(
    ':',
  );
  // URL's host parser writes the canonical form with "::".
  return new URL(`http://[${groups}]/`).hostname.slice(1, -1);
}

/** GeneralNames, or undefined where there are none (an empty SAN extension is invalid). */
export function encodeAlternativeNames(names: Partial<AlternativeNames>): Node | undefined {
  const ascii = (text: string): Buffer => Buffer.from(text, 'latin1');
  const all = [
    ...(names.dnsNames ?? []).map((name) => context(2, ascii(name))),
    ...(names.emailAddresses ?? []).map((email) => context(1, ascii(email))),
    ...(names.uris ?? []).map((uri) => context(6, ascii(uri))),
    ...(names.ipAddresses ?? []).map((address) => context(7, ipToBytes(address))),
  ];
  return all.length === 0 ? undefined : sequence(...all);
}

export function decodeAlternativeNames(node: Node | undefined): AlternativeNames {
  const names: AlternativeNames = { dnsNames: [], ipAddresses: [], emailAddresses: [], uris: [] };
  for (const name of node === undefined ? [] : children(node)) {
    if (isContext(name, 2)) names.dnsNames.push(content(name).toString('latin1'));
    else if (isContext(name, 1)) names.emailAddresses.push(content(name).toString('latin1'));
    else if (isContext(name, 6)) names.uris.push(content(name).toString('latin1'));
    else if (isContext(name, 7)) names.ipAddresses.push(ipFromBytes(content(name)));
  }
  return names;
}
