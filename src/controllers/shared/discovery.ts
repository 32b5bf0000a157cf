import { apiVersionOf } from '../../api/resource.ts';
import type { ResourceInfo } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';

export interface ServedResource extends ResourceInfo {
  readonly verbs: readonly string[];
}

export interface Discovered {
  /** Each resource once, in the version that its group prefers. */
  resources: ServedResource[];
  /** 'group/version: what went wrong'; the rest is complete. */
  failures: string[];
}

interface ResourceList {
  resources?: Array<{ name: string; kind: string; namespaced?: boolean; verbs?: string[] }>;
}

interface GroupList {
  groups?: Array<{
    name: string;
    versions: Array<{ version: string }>;
    preferredVersion?: { version: string };
  }>;
}

const FRESH_MS = 30_000;

/** What the server serves, asked for at most every 30 seconds by all who need it. */
export class Discovery {
  readonly #client: Client;
  readonly #clock: Clock;
  #answer: Promise<Discovered> | undefined;
  #askedMs = 0;

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  discover(): Promise<Discovered> {
    const now = this.#clock.monotonicMs();
    if (this.#answer && now - this.#askedMs < FRESH_MS) return this.#answer;
    this.#askedMs = now;
    const answer = discover(this.#client);
    this.#answer = answer;
    answer.then(
      // An answer with holes is asked for again by the next one.
      ({ failures }) => failures.length > 0 && this.forget(),
      () => this.forget(),
    );
    return answer;
  }

  /** The next question goes to the server: a CustomResourceDefinition changed. */
  forget(): void {
    this.#answer = undefined;
  }
}

async function discover(client: Client): Promise<Discovered> {
  const { groups = [] } = await read<GroupList>(client, '/apis');
  const versions: Array<{ group: string; version: string }> = [{ group: '', version: 'v1' }];
  for (const { name, versions: served, preferredVersion } of groups) {
    const preferred = preferredVersion?.version;
    const ordered = served
      .map(({ version }) => version)
      .sort((a, b) => Number(b === preferred) - Number(a === preferred));
    for (const version of ordered) versions.push({ group: name, version });
  }
  const lists = await Promise.allSettled(
    versions.map((at) =>
      read<ResourceList>(client, at.group === '' ? '/api/v1' : `/apis/${apiVersionOf(at)}`),
    ),
  );
  const found = new Map<string, ServedResource>();
  const failures: string[] = [];
  for (const [index, list] of lists.entries()) {
    const at = versions[index] as { group: string; version: string };
    if (list.status === 'rejected') {
      failures.push(`${apiVersionOf(at)}: ${messageOf(list.reason)}`);
      continue;
    }
    for (const { name, kind, namespaced = false, verbs = [] } of list.value.resources ?? []) {
      const id = `${at.group}/${name}`;
      if (!name.includes('/') && !found.has(id))
        found.set(id, { ...at, resource: name, kind, namespaced, verbs });
    }
  }
  return { resources: [...found.values()], failures };
}

async function read<T>(client: Client, path: string): Promise<T> {
  const { status, body } = await client.request('GET', path);
  if (status !== 200) throw new Error(`${path} answered ${status}`);
  return JSON.parse(body.toString('utf8')) as T;
}
