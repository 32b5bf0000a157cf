import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { describeTarget, type SshQuestions, type SshTarget } from './target.ts';

const USUAL_KEYS = ['id_ed25519', 'id_ecdsa', 'id_rsa'];

/** The ways to log in that are worth trying, in order: the inventory's keys, agent, usual keys, password. */
export async function loginMethods(
  target: SshTarget,
  questions: SshQuestions,
): Promise<ssh2.AnyAuthMethod[]> {
  const username = target.user;
  const methods: ssh2.AnyAuthMethod[] = [];
  for (const file of target.keyFiles) {
    methods.push({ type: 'publickey', username, key: await readKey(file, target, questions, true) });
  }
  if (target.keyFiles.length === 0 && target.password === undefined) {
    if (target.agent !== undefined) methods.push({ type: 'agent', username, agent: target.agent });
    for (const name of USUAL_KEYS) {
      const file = join(homedir(), '.ssh', name);
      const key = await readKey(file, target, questions, false).catch(() => undefined);
      if (key) methods.push({ type: 'publickey', username, key });
    }
  }
  let { password } = target;
  if (password === undefined && target.keyFiles.length === 0) password = await questions.password?.(target);
  if (password !== undefined) {
    const secret = password;
    methods.push({ type: 'password', username, password: secret });
    // Servers that ask through PAM answer to the same password.
    methods.push({
      type: 'keyboard-interactive',
      username,
      prompt: (_name, _instructions, _lang, prompts, finish) => finish(prompts.map(() => secret)),
    });
  }
  if (methods.length === 0) {
    throw new SlipwayError('E_SSH_AUTH', `there is nothing to log in to ${describeTarget(target)} with`, {
      hint: 'set "key:" in the inventory, start an ssh-agent, or give a password',
    });
  }
  return methods;
}

async function readKey(
  file: string,
  target: SshTarget,
  questions: SshQuestions,
  named: boolean,
): Promise<ssh2.ParsedKey> {
  let text: Buffer;
  try {
    text = await readFile(file);
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read (${messageOf(cause)})`;
    throw new SlipwayError('E_SSH_KEY', `the key file ${file} for ${target.name} ${why}`, {
      cause,
      hint: 'correct "key:" in the inventory, or IdentityFile in ~/.ssh/config',
    });
  }
  const parse = (passphrase?: string): ssh2.ParsedKey | Error => ssh2.utils.parseKey(text, passphrase);
  let key = parse(target.passphrase);
  if (key instanceof Error && /passphrase|encrypted/i.test(key.message) && named) {
    const passphrase = await questions.passphrase?.(file);
    if (passphrase !== undefined) key = parse(passphrase);
  }
  // A file of several keys gives an array; the first one counts.
  const first: unknown = Array.isArray(key) ? key[0] : key;
  if (first instanceof Error || first === undefined) {
    throw new SlipwayError(
      'E_SSH_KEY',
      `the key file ${file} for ${target.name} cannot be used: ${messageOf(first)}`,
      {
        hint: 'give its passphrase with "passphraseFrom:", or use another key',
      },
    );
  }
  return first as ssh2.ParsedKey;
}
