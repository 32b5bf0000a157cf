import { createHash, createHmac } from 'node:crypto';

/** One line of a known_hosts file. */
export interface KnownHost {
  file: string;
  line: number;
  marker: 'revoked' | 'cert-authority' | undefined;
  patterns: string[];
  type: string;
  key: Buffer;
}

/** Reads known_hosts text; comments, empty and malformed lines are passed over, as OpenSSH does. */
export function parseKnownHosts(text: string, file: string): KnownHost[] {
  const found: KnownHost[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const words = raw.trim().split(/\s+/);
    if (words[0] === '' || words[0]?.startsWith('#')) continue;
    const marker = words[0]?.startsWith('@') ? words.shift()?.slice(1) : undefined;
    const [patterns, type, key] = words;
    if (patterns === undefined || type === undefined || key === undefined) continue;
    if (marker !== undefined && marker !== 'revoked' && marker !== 'cert-authority') continue;
    found.push({
      file,
      line: index + 1,
      marker,
      patterns: patterns.split(','),
      type,
      key: Buffer.from(key, 'base64'),
    });
  }
  return found;
}

/** How known_hosts names a server: bare on port 22, '[host]:port' elsewhere. */
export const knownHostName = (host: string, port: number): string =>
  port === 22 ? host : `[${host}]:${port}`;

function matchesPattern(pattern: string, name: string): boolean {
  if (pattern.startsWith('|1|')) {
    const [salt = '', hash = ''] = pattern.slice(3).split('|');
    return createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest('base64') === hash;
  }
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${expression}$`, 'i').test(name);
}

/** The lines that speak of this server; a matching '!pattern' takes its line out. */
export function linesFor(known: readonly KnownHost[], name: string): KnownHost[] {
  return known.filter(({ patterns }) => {
    if (patterns.some((pattern) => pattern.startsWith('!') && matchesPattern(pattern.slice(1), name)))
      return false;
    return patterns.some((pattern) => matchesPattern(pattern, name));
  });
}

export type HostKeyVerdict =
  | { kind: 'known' }
  | { kind: 'unknown' }
  | { kind: 'changed'; line: KnownHost }
  | { kind: 'revoked'; line: KnownHost };

/** What known_hosts says about the key that a server shows. Host certificates are not followed. */
export function judgeHostKey(lines: readonly KnownHost[], key: Buffer): HostKeyVerdict {
  const revoked = lines.find((line) => line.marker === 'revoked' && line.key.equals(key));
  if (revoked) return { kind: 'revoked', line: revoked };
  const plain = lines.filter((line) => line.marker === undefined);
  if (plain.some((line) => line.key.equals(key))) return { kind: 'known' };
  const [other] = plain;
  return other === undefined ? { kind: 'unknown' } : { kind: 'changed', line: other };
}

/** 'SHA256:…' as ssh-keygen -l prints it. */
export const fingerprint = (key: Buffer): string =>
  `SHA256:${createHash('sha256').update(key).digest('base64').replace(/=+$/, '')}`;

/** The type that a key blob names: 'ssh-ed25519' and the like. */
export const keyTypeOf = (key: Buffer): string => key.toString('latin1', 4, 4 + key.readUInt32BE(0));

const SIGNATURES: Record<string, string[]> = { 'ssh-rsa': ['rsa-sha2-512', 'rsa-sha2-256'] };
const ALGORITHMS = [
  'ssh-ed25519',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'rsa-sha2-512',
  'rsa-sha2-256',
];

/** Host key algorithms, those of the known keys first: else a server would show a key that we cannot compare. */
export function hostKeyAlgorithms(lines: readonly KnownHost[]): string[] {
  const known = lines
    .flatMap(({ type }) => SIGNATURES[type] ?? [type])
    .filter((name) => ALGORITHMS.includes(name));
  return [...new Set([...known, ...ALGORITHMS])];
}
