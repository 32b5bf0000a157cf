import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { codeOf, messageOf, SlipwayError } from '../base/errors.ts';
import { parseJump, type SshConfigFile } from '../provision/ssh/ssh-config.ts';
import type { SshTarget } from '../provision/ssh/target.ts';
import type { Inventory, ServerEntry, SshEntry } from './inventory/schema.ts';

export interface TargetOptions {
  /** Folder that relative paths of the inventory start from. */
  folder: string;
  env: NodeJS.ProcessEnv;
  /** The person's ~/.ssh/config: it says what the inventory leaves open. */
  sshConfig?: SshConfigFile;
  /** Replaces the inventory's key for every server: --ssh-key. */
  keyFile?: string;
}

/** How a server of the inventory is reached: its own ssh section over the common one. E_SECRET, where one is missing. */
export async function sshTarget(
  inventory: Pick<Inventory, 'ssh'>,
  server: ServerEntry,
  options: TargetOptions,
): Promise<SshTarget> {
  const entry: SshEntry = { ...inventory.ssh, ...server.ssh };
  const address = entry.address ?? server.address;
  const target = await login(server.name, address, entry, options);
  if (entry.bastion !== undefined) {
    const { bastion } = entry;
    return {
      ...target,
      bastion: await login(`bastion of ${server.name}`, bastion.address, bastion, options),
    };
  }
  const jumps = options.sshConfig?.entryFor(address).jumps ?? [];
  return { ...target, bastion: await through(server.name, jumps, options) };
}

type Login = Omit<SshEntry, 'bastion' | 'address'>;

/** The last server on the way, which is reached through those before it. */
async function through(
  name: string,
  jumps: readonly string[],
  options: TargetOptions,
): Promise<SshTarget | undefined> {
  const last = jumps.at(-1);
  if (last === undefined) return undefined;
  const { host, user, port } = parseJump(last);
  const entry: Login = { ...(user === undefined ? {} : { user }), ...(port === undefined ? {} : { port }) };
  const target = await login(`bastion of ${name}`, host, entry, options);
  return { ...target, bastion: await through(name, jumps.slice(0, -1), options) };
}

async function login(
  name: string,
  address: string,
  entry: Login,
  options: TargetOptions,
): Promise<SshTarget> {
  const own = options.sshConfig?.entryFor(address) ?? {};
  const keyFile = options.keyFile ?? entry.key;
  const [password, passphrase, sudoPassword] = await Promise.all(
    [entry.passwordFrom, entry.passphraseFrom, entry.sudoPasswordFrom].map((source) =>
      readSecret(source, options),
    ),
  );
  return {
    name,
    address: own.hostName ?? address,
    port: entry.port ?? own.port ?? 22,
    user: entry.user ?? own.user ?? 'root',
    // A password in the inventory is meant: the keys of ~/.ssh/config would only cost attempts.
    keyFiles:
      keyFile === undefined
        ? password === undefined
          ? (own.keyFiles ?? [])
          : []
        : [expandPath(keyFile, options.folder)],
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
export async function readSecret(
  source: string | undefined,
  options: Pick<TargetOptions, 'folder' | 'env'>,
): Promise<string | undefined> {
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
