import { load } from 'js-yaml';
import { isObject } from '../../api/objects.ts';
import { parseDuration } from '../../api/time.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { KmsProvider } from './kms/kms-provider.ts';
import { Transformer, type EncryptionKey, type EncryptionProvider } from './providers.ts';

const API_VERSION = 'apiserver.config.k8s.io/v1';
/** Bytes that a key may have. */
const KEY_SIZES = { aescbc: [16, 24, 32], aesgcm: [16, 24, 32], secretbox: [32] } as const;

interface Rule {
  resources: readonly string[];
  transformer: Transformer;
}

/** A provider that keeps its keys in a service behind a Unix socket. */
export interface KmsSettings {
  name: string;
  endpoint: string;
  timeoutMs: number;
}

export type ConnectKms = (settings: KmsSettings) => KmsProvider;

/** Which resources are encrypted, and how: upstream's EncryptionConfiguration. */
export class EncryptionConfig {
  /** The services that it names; they must be started before values are read. */
  readonly services: readonly KmsProvider[];
  readonly #rules: readonly Rule[];
  readonly #known = new Map<string, Transformer | undefined>();

  constructor(rules: readonly Rule[], services: readonly KmsProvider[] = []) {
    this.#rules = rules;
    this.services = services;
  }

  /** For the values of a resource, by the folder of its keys: 'secrets', 'deployments.apps'. */
  transformerFor(folder: string): Transformer | undefined {
    if (!this.#known.has(folder)) {
      const rule = this.#rules.find(({ resources }) => resources.some((wanted) => covers(wanted, folder)));
      this.#known.set(folder, rule?.transformer);
    }
    return this.#known.get(folder);
  }
}

/** '*.*' is everything, '*.' the core group, '*.apps' a group, 'secrets' or 'deployments.apps' one resource. */
function covers(wanted: string, folder: string): boolean {
  if (wanted === '*.*') return true;
  const dot = folder.indexOf('.');
  const group = dot < 0 ? '' : folder.slice(dot + 1);
  return wanted.startsWith('*.') ? wanted.slice(2) === group : wanted === folder;
}

/**
 * Reads an EncryptionConfiguration in YAML or JSON. Errors: E_ENCRYPTION_CONFIG, which names the field, the value
 * (never a secret) and the rule. `connect` makes what is behind a kms provider; nothing is asked yet. Mirrors apiserver pkg/apis/apiserver/validation/validation_encryption.go.
 */
export function parseEncryptionConfig(text: string, connect?: ConnectKms): EncryptionConfig {
  let document: unknown;
  try {
    document = load(text);
  } catch (error) {
    throw bad('', `is no YAML: ${messageOf(error).split('\n')[0]}`);
  }
  if (!isObject(document)) throw bad('', 'must be an object');
  if (document['apiVersion'] !== API_VERSION || document['kind'] !== 'EncryptionConfiguration') {
    throw bad('', `must be of ${API_VERSION}, kind EncryptionConfiguration`);
  }
  const resources = listOf(document['resources'], 'resources');
  // Every field is read before anything is connected: a wrong file leaves nothing open.
  const names = new Set<string>();
  resources.forEach((entry, index) =>
    readRule(entry, `resources[${index}]`, (settings, path) => {
      if (names.has(settings.name))
        throw bad(`${path}.name`, `${settings.name} is the name of another provider, too`);
      names.add(settings.name);
      return undefined;
    }),
  );
  const services: KmsProvider[] = [];
  const rules = resources.map((entry, index) =>
    readRule(entry, `resources[${index}]`, (settings, path) => {
      if (!connect) throw bad(path, 'is not supported here');
      const service = connect(settings);
      services.push(service);
      return service;
    }),
  );
  return new EncryptionConfig(rules, services);
}

type ReadKms = (settings: KmsSettings, path: string) => KmsProvider | undefined;

function readRule(entry: unknown, path: string, kms: ReadKms): Rule {
  if (!isObject(entry)) throw bad(path, 'must be an object');
  const names = listOf(entry['resources'], `${path}.resources`).map((name, index) => {
    if (typeof name !== 'string' || name === '') throw bad(`${path}.resources[${index}]`, 'must be a name');
    if (name === '*' || (name.includes('*') && !name.startsWith('*.'))) {
      throw bad(`${path}.resources[${index}]`, `${name}: use '*.<group>' for a group, '*.*' for everything`);
    }
    return name;
  });
  const providers = listOf(entry['providers'], `${path}.providers`).flatMap(
    (provider, index) => readProvider(provider, `${path}.providers[${index}]`, kms) ?? [],
  );
  return { resources: names, transformer: new Transformer(providers) };
}

function readProvider(entry: unknown, path: string, kms: ReadKms): EncryptionProvider | undefined {
  const [type, ...others] = isObject(entry) ? Object.keys(entry) : [];
  if (!isObject(entry) || type === undefined || others.length > 0) {
    throw bad(path, 'must have exactly one of identity, aescbc, aesgcm, secretbox, kms');
  }
  if (type === 'identity') return { type, keys: [] };
  if (type === 'kms') {
    const provider = kms(readKms(entry[type], `${path}.kms`), `${path}.kms`);
    return provider && { type, kms: provider };
  }
  if (type !== 'aescbc' && type !== 'aesgcm' && type !== 'secretbox') {
    throw bad(`${path}.${type}`, 'is not supported: use identity, aescbc, aesgcm, secretbox or kms');
  }
  const value = entry[type];
  const keys = listOf(isObject(value) ? value['keys'] : undefined, `${path}.${type}.keys`);
  return { type, keys: keys.map((key, index) => readKey(key, type, `${path}.${type}.keys[${index}]`)) };
}

/** Version 2 alone: upstream has switched the first one off, too. */
function readKms(value: unknown, path: string): KmsSettings {
  if (!isObject(value)) throw bad(path, 'must be an object');
  const { apiVersion, name, endpoint, timeout = '3s' } = value;
  if (apiVersion !== 'v2') throw bad(`${path}.apiVersion`, 'must be v2');
  if (typeof name !== 'string' || name === '' || name.includes(':')) {
    throw bad(`${path}.name`, 'must be a name without ":"');
  }
  if (typeof endpoint !== 'string' || !/^unix:\/\/.+/.test(endpoint)) {
    throw bad(`${path}.endpoint`, 'must be a Unix socket, e.g. unix:///run/kms.sock');
  }
  if (value['cachesize'] !== undefined) throw bad(`${path}.cachesize`, 'is not supported with v2');
  let timeoutMs = 0;
  try {
    timeoutMs = typeof timeout === 'string' ? Number(parseDuration(timeout)) / 1_000_000 : 0;
  } catch {
    // Said below.
  }
  if (!(timeoutMs > 0)) throw bad(`${path}.timeout`, 'must be a duration above zero, e.g. 3s');
  return { name, endpoint, timeoutMs };
}

function readKey(entry: unknown, type: keyof typeof KEY_SIZES, path: string): EncryptionKey {
  if (!isObject(entry)) throw bad(path, 'must be an object');
  const { name, secret } = entry;
  if (typeof name !== 'string' || name === '' || name.includes(':')) {
    throw bad(`${path}.name`, 'must be a name without ":"');
  }
  if (typeof secret !== 'string' || !/^[A-Za-z0-9+/]+={0,2}$/.test(secret)) {
    throw bad(`${path}.secret`, 'must be base64');
  }
  const bytes = Buffer.from(secret, 'base64');
  const sizes: readonly number[] = KEY_SIZES[type];
  if (!sizes.includes(bytes.length)) {
    throw bad(`${path}.secret`, `has ${bytes.length} bytes, and must have ${sizes.join(', ')}`);
  }
  return { name, secret: bytes };
}

function listOf(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value) || value.length === 0) throw bad(path, 'must be a list that is not empty');
  return value;
}

function bad(path: string, rule: string): SlipwayError {
  return new SlipwayError(
    'E_ENCRYPTION_CONFIG',
    `the encryption configuration is wrong: ${path === '' ? 'it' : path} ${rule}`,
    { hint: 'correct the file that --encryption-provider-config names' },
  );
}
