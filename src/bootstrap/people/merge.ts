import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parse, stringify } from 'yaml';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';

const LISTS = ['clusters', 'contexts', 'users'] as const;

interface Named {
  name: string;
}

type Kubeconfig = Record<string, unknown> & Partial<Record<(typeof LISTS)[number], Named[]>>;

/**
 * Puts the entries of one kubeconfig into another one: those of the same name are replaced, the rest is kept, and the
 * new context becomes the current one. E_PERSON where the other text is no kubeconfig.
 */
export function mergeKubeconfig(existing: string, added: string): string {
  const before = readKubeconfig(existing);
  const from = parse(added) as Kubeconfig;
  for (const list of LISTS) {
    const entries = from[list] ?? [];
    const names = new Set(entries.map(({ name }) => name));
    before[list] = [...(before[list] ?? []).filter(({ name }) => !names.has(name)), ...entries];
  }
  before['apiVersion'] ??= 'v1';
  before['kind'] ??= 'Config';
  before['current-context'] = from['current-context'];
  return stringify(before, { lineWidth: 0 });
}

function readKubeconfig(text: string): Kubeconfig {
  let value: unknown;
  try {
    value = text.trim() === '' ? {} : parse(text);
  } catch (cause) {
    throw notOne(messageOf(cause), cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw notOne('it is no object');
  const kubeconfig = value as Kubeconfig;
  if ((kubeconfig['kind'] ?? 'Config') !== 'Config')
    throw notOne(`its kind is ${String(kubeconfig['kind'])}`);
  for (const list of LISTS) {
    const entries: unknown = kubeconfig[list] ?? [];
    if (!Array.isArray(entries)) throw notOne(`"${list}" is no list`);
  }
  return kubeconfig;
}

const notOne = (why: string, cause?: unknown): SlipwayError =>
  new SlipwayError('E_PERSON', `the file to merge into is no kubeconfig: ${why}`, {
    cause,
    hint: 'name another file, or write a new one with --file',
  });

/** The text of a file; '' where there is none. */
export async function readIfThere(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return '';
    throw error;
  }
}

/** For the owner alone, whatever its mode was: written beside it, synced and renamed. */
export async function writePrivate(path: string, content: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.new`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
