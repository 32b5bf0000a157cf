import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, messageOf, SlipwayError } from '../base/errors.ts';
import type { SshTarget } from '../provision/ssh/target.ts';
import type { Inventory, ServerEntry, SshEntry } from './inventory/schema.ts';

export interface TargetOptions {
  /** Folder that relative paths of the inventory start from. */
  folder: string;
  env: NodeJS.ProcessEnv;
  /** Replaces the inventory's key for every server: --ssh-key. */
  keyFile?: string;
}

/** How a server of the inventory is reached: its own ssh section over the common one. E_SECRET, where one is missing. */
export async function sshTarget(
  inventory: Inventory,
  server: ServerEntry,
  options: TargetOptions,
): Promise<SshTarget> {
  const entry: SshEntry = { ...inventory.ssh, ...server.ssh };
  const target = await login(server.name, entry.address ?? server.address, entry, options);
  if (entry.bastion === undefined) return target;
  const { bastion } = entry;
  return { ...target, bastion: await login(`bastion of ${server.name}`, bastion.address, bastion, options) };
}

type Login = Omit<SshEntry, 'bastion' | 'address'>;

async function login(
  name: string,
  address: string,
  entry: Login,
  options: TargetOptions,
): Promise<SshTarget> {
  const keyFile = options.keyFile ?? entry.key;
  const [password, passphrase, sudoPassword] = await Promise.all(
    [entry.passwordFrom, entry.passphraseFrom, entry.sudoPasswordFrom].map((source) =>
      readSecret(source, options),
    ),
  );
  return {
    name,
    address,
    port: entry.port ?? 22,
    user: entry.user ?? 'root',
    keyFiles: keyFile === undefined ? [] : [expandPath(keyFile, options.folder)],
    agent: options.env['SSH_AUTH_SOCK'],
    password,
    passphrase,
    sudoPassword,
    hostKey: entry.hostKey,
  };
}

/** '~/x' from the home, other relative paths from the inventory's folder. */
export const expandPath = (path: string, folder: string): string =>
  path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(folder, path);

/** 'env:NAME' or 'file:PATH'; one line break at the end of a file does not count. */
async function readSecret(source: string | undefined, options: TargetOptions): Promise<string | undefined> {
  if (source === undefined) return undefined;
  const at = source.indexOf(':');
  const place = source.slice(at + 1);
  if (source.startsWith('env:')) {
    const value = options.env[place];
    if (value === undefined) {
      throw new SlipwayError(
        'E_SECRET',
        `the environment variable ${place}, which the inventory names, is not set`,
        {
          hint: `export ${place}, or correct "env:${place}" in the inventory`,
        },
      );
    }
    return value;
  }
  const path = expandPath(place, options.folder);
  try {
    return (await readFile(path, 'utf8')).replace(/\r?\n$/, '');
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(cause)}`;
    throw new SlipwayError('E_SECRET', `the file ${path}, which the inventory names, ${why}`, {
      cause,
      hint: 'make the file, or correct the inventory',
    });
  }
}
