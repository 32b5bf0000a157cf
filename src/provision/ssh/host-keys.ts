import { appendFile, mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { SlipwayError } from '../../base/errors.ts';
import {
  fingerprint,
  judgeHostKey,
  keyTypeOf,
  knownHostName,
  linesFor,
  parseKnownHosts,
  type KnownHost,
} from './known-hosts.ts';
import { describeTarget, type SshQuestions, type SshTarget } from './target.ts';

export interface HostKeyOptions {
  /** Files to believe, first to last. Accepted keys are added to the first one. */
  knownHostsFiles: readonly [string, ...string[]];
  /** Accept keys of servers that no file knows. A changed key is refused all the same. */
  acceptNewHostKeys?: boolean;
}

/** What the files know about a server. Files that do not exist know nothing. */
export async function knownLines(options: HostKeyOptions, target: SshTarget): Promise<KnownHost[]> {
  const texts = await Promise.all(
    options.knownHostsFiles.map(async (file) => ({
      file,
      text: await readFile(file, 'utf8').catch(() => ''),
    })),
  );
  const name = knownHostName(target.address, target.port);
  return linesFor(
    texts.flatMap(({ file, text }) => parseKnownHosts(text, file)),
    name,
  );
}

/**
 * Resolves when the key may be trusted. Errors: E_HOST_KEY_CHANGED (somebody may be listening in),
 * E_HOST_KEY_UNKNOWN (nobody vouches for it).
 */
export async function checkHostKey(
  target: SshTarget,
  key: Buffer,
  lines: readonly KnownHost[],
  options: HostKeyOptions,
  questions: SshQuestions,
): Promise<void> {
  const print = fingerprint(key);
  if (target.hostKey !== undefined) {
    if (target.hostKey === print) return;
    throw new SlipwayError(
      'E_HOST_KEY_CHANGED',
      `${describeTarget(target)} shows the host key ${print}, but the inventory's hostKey is ${target.hostKey}`,
      {
        hint: 'find out why before you go on: it may be another machine; if the server was reinstalled, correct hostKey in the inventory',
      },
    );
  }
  const verdict = judgeHostKey(lines, key);
  if (verdict.kind === 'known') return;
  if (verdict.kind === 'changed' || verdict.kind === 'revoked') {
    const { file, line } = verdict.line;
    const what =
      verdict.kind === 'changed'
        ? `line ${line} of ${file} has another key for it`
        : `line ${line} of ${file} revokes it`;
    throw new SlipwayError(
      'E_HOST_KEY_CHANGED',
      `${describeTarget(target)} shows the host key ${print}, but ${what}`,
      {
        hint: `find out why before you go on: it may be another machine; if the server was reinstalled, remove line ${line} of ${file}`,
      },
    );
  }
  const accepted =
    options.acceptNewHostKeys === true || (await questions.acceptHostKey?.(target, print)) === true;
  if (!accepted) {
    throw new SlipwayError(
      'E_HOST_KEY_UNKNOWN',
      `${describeTarget(target)} shows a host key that nothing vouches for: ${print}`,
      {
        hint: `compare it with "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" on the server, then set "hostKey: ${print}" in the inventory, or give --accept-new-host-keys`,
      },
    );
  }
  const [file] = options.knownHostsFiles;
  await mkdir(dirname(file), { recursive: true });
  const name = knownHostName(target.address, target.port);
  await appendFile(file, `${name} ${keyTypeOf(key)} ${key.toString('base64')}\n`, { mode: 0o600 });
}
