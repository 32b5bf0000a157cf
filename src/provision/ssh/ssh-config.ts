import { readFile } from 'node:fs/promises';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { parse, type SSHConfig } from 'ssh-config';
import { messageOf, SlipwayError } from '../../base/errors.ts';

/** What ~/.ssh/config says about a server; what it does not say is absent. */
export interface SshConfigEntry {
  hostName?: string;
  user?: string;
  port?: number;
  keyFiles?: string[];
  /** 'user@host:port' of each server on the way, the first one first. */
  jumps?: string[];
}

/** The rules of a person's SSH configuration. `Include` is not followed: what stands there is not known. */
export class SshConfigFile {
  readonly #rules: SSHConfig;

  constructor(text: string) {
    this.#rules = parse(text);
  }

  /** Reads ~/.ssh/config; one that does not exist says nothing. E_SSH_CONFIG where it cannot be understood. */
  static async read(path = join(homedir(), '.ssh/config')): Promise<SshConfigFile> {
    const text = await readFile(path, 'utf8').catch(() => '');
    try {
      return new SshConfigFile(text);
    } catch (cause) {
      throw new SlipwayError('E_SSH_CONFIG', `${path} cannot be read: ${messageOf(cause)}`, {
        cause,
        hint: `"ssh -G some-host" shows what OpenSSH makes of it`,
      });
    }
  }

  /** What holds for this name, as OpenSSH's first match wins. */
  entryFor(host: string): SshConfigEntry {
    const found = this.#rules.compute(host, { ignoreCase: true });
    const all = (name: string): string[] => {
      const value = found[name.toLowerCase()] ?? found[name];
      return value === undefined ? [] : [value].flat();
    };
    const [hostName] = all('HostName');
    const [user] = all('User');
    const [port] = all('Port');
    const [jump] = all('ProxyJump');
    const expand = (path: string): string => expandTokens(path, { host: hostName ?? host, user: user ?? '' });
    const keyFiles = all('IdentityFile').map(expand);
    return {
      ...(hostName === undefined ? {} : { hostName: hostName.replaceAll('%h', host) }),
      ...(user === undefined ? {} : { user }),
      ...(port === undefined ? {} : { port: Number(port) }),
      ...(keyFiles.length === 0 ? {} : { keyFiles }),
      ...(jump === undefined || jump === 'none' ? {} : { jumps: jump.split(',').map((hop) => hop.trim()) }),
    };
  }
}

/** '~' and the tokens that paths of keys commonly have. */
function expandTokens(path: string, values: { host: string; user: string }): string {
  const home = homedir();
  const text = path
    .replace(/^~(?=\/)/, home)
    .replaceAll('%d', home)
    .replaceAll('%u', userInfo().username)
    .replaceAll('%h', values.host)
    .replaceAll('%r', values.user);
  return resolve(home, text);
}

/** 'user@host:port' in its parts. */
export function parseJump(jump: string): { user?: string; host: string; port?: number } {
  const [, user, host = '', port] =
    /^(?:ssh:\/\/)?(?:([^@]+)@)?(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(jump) ?? [];
  return {
    host: host.replace(/^\[|\]$/g, ''),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port: Number(port) }),
  };
}
