import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { checkHostKey, knownLines } from '../../src/provision/ssh/host-keys.ts';
import {
  fingerprint,
  hostKeyAlgorithms,
  judgeHostKey,
  keyTypeOf,
  linesFor,
  parseKnownHosts,
} from '../../src/provision/ssh/known-hosts.ts';
import type { SshTarget } from '../../src/provision/ssh/target.ts';

const dir = mkdtempSync(join(tmpdir(), 'slipway-known-'));
function newKey(name: string, type = 'ed25519'): { line: string; blob: Buffer; print: string } {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(dir, name)]);
  const [kind = '', base64 = ''] = readFileSync(join(dir, `${name}.pub`), 'utf8').split(' ');
  const print =
    execFileSync('ssh-keygen', ['-lf', join(dir, name)])
      .toString()
      .split(' ')[1] ?? '';
  return { line: `${kind} ${base64}`, blob: Buffer.from(base64, 'base64'), print };
}
const one = newKey('one');
const two = newKey('two');
const rsa = newKey('rsa', 'rsa');
const target: SshTarget = { name: 'w1', address: '10.0.0.1', port: 22, user: 'root', keyFiles: [] };

test('fingerprints and types are those of ssh-keygen', (t) => {
  t.is(fingerprint(one.blob), one.print);
  t.is(keyTypeOf(one.blob), 'ssh-ed25519');
  t.is(keyTypeOf(rsa.blob), 'ssh-rsa');
});

test('lines hashed by ssh-keygen are matched, others are not', (t) => {
  const file = join(dir, 'hashed');
  writeFileSync(file, `10.0.0.1 ${one.line}\n[10.0.0.1]:2222 ${two.line}\n`);
  execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
  const known = parseKnownHosts(readFileSync(file, 'utf8'), file);
  t.is(known.length, 2);
  t.true(known.every(({ patterns }) => patterns[0]?.startsWith('|1|')));
  t.deepEqual(
    linesFor(known, '10.0.0.1').map(({ line }) => line),
    [1],
  );
  t.deepEqual(
    linesFor(known, '[10.0.0.1]:2222').map(({ line }) => line),
    [2],
  );
  t.deepEqual(linesFor(known, '10.0.0.2'), []);
});

test('patterns, negations, comments and markers are read as OpenSSH reads them', (t) => {
  const text = `# comment\n\n*.example.org,!bad.example.org ${one.line}\n@revoked * ${two.line}\nbroken\n`;
  const known = parseKnownHosts(text, 'f');
  t.is(known.length, 2);
  t.is(judgeHostKey(linesFor(known, 'a.example.org'), one.blob).kind, 'known');
  t.is(judgeHostKey(linesFor(known, 'bad.example.org'), one.blob).kind, 'unknown');
  t.is(judgeHostKey(linesFor(known, 'a.example.org'), two.blob).kind, 'revoked');
});

test('a server that is known by an RSA key is asked for that key first', (t) => {
  t.deepEqual(hostKeyAlgorithms(parseKnownHosts(`h ${rsa.line}`, 'f')).slice(0, 3), [
    'rsa-sha2-512',
    'rsa-sha2-256',
    'ssh-ed25519',
  ]);
});

test('a changed key is refused naming file and line, even where new keys are accepted', async (t) => {
  const file = join(dir, 'changed');
  writeFileSync(file, `# first\n10.0.0.1 ${one.line}\n`);
  const options = { knownHostsFiles: [file], acceptNewHostKeys: true } as const;
  const lines = await knownLines(options, target);
  await t.notThrowsAsync(checkHostKey(target, one.blob, lines, options, {}));
  const error = await t.throwsAsync(checkHostKey(target, two.blob, lines, options, {}), {
    code: 'E_HOST_KEY_CHANGED',
  });
  t.true(error.message.includes(`line 2 of ${file}`), error.message);
  t.true(error.message.includes(two.print));
});

test('an unknown key is refused, unless the inventory, the option or a person vouches for it', async (t) => {
  const file = join(dir, 'accepted');
  const options = { knownHostsFiles: [file] } as const;
  const error = await t.throwsAsync(checkHostKey(target, one.blob, [], options, {}), {
    code: 'E_HOST_KEY_UNKNOWN',
  });
  t.true(error.message.includes(one.print));
  await t.notThrowsAsync(checkHostKey({ ...target, hostKey: one.print }, one.blob, [], options, {}));
  await t.throwsAsync(checkHostKey({ ...target, hostKey: two.print }, one.blob, [], options, {}), {
    code: 'E_HOST_KEY_CHANGED',
  });
  await checkHostKey(target, one.blob, [], options, {
    acceptHostKey: async (_, print) => print === one.print,
  });
  t.is(
    judgeHostKey(await knownLines(options, target), one.blob).kind,
    'known',
    'an accepted key is remembered',
  );
});
