import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import type { ApiHistory, SeenEvent, WatchRecord, WriteRecord } from '../helpers/api-history.ts';
import { RawApi, type JsonBody } from '../helpers/raw-api.ts';

const PATH = '/api/v1/namespaces/default/configmaps';
const KEYS_OF_A_WRITER = 4;

/** Keys that all writers fight over, besides their own. */
const SHARED_KEYS = ['shared-0', 'shared-1'];

const valueOf = (object: JsonBody): string => (object['data'] as { value?: string } | undefined)?.value ?? '';

/** A raw client of a server that wrote this kubeconfig. */
export function apiOf(kubeconfigPath: string): RawApi {
  const { servers, credentials } = loadKubeconfig(kubeconfigPath);
  const { ca, cert, key } = credentials();
  return new RawApi({
    url: servers[0] ?? '',
    ca: { certPem: ca ?? '' },
    admin: { certPem: cert ?? '', keyPem: key ?? '' },
  });
}

/** Clients that write at full rate and watch, on one server after another that has the same store. */
export class HistoryClients {
  readonly writes: WriteRecord[] = [];
  readonly watches: WatchRecord[] = [];
  readonly #prefix: string;
  /** What the clients believe stands at each key: its value and resourceVersion. */
  readonly #known = new Map<string, { value: string; version: string }>();
  #moment = 0;
  #serial = 0;

  /** Objects of this history have names that begin with `prefix`. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  get acknowledged(): number {
    return this.writes.filter(({ outcome }) => outcome === 'acknowledged').length;
  }

  /** Starts a watcher of the state as it is now. */
  async startWatch(api: RawApi): Promise<WatchRecord> {
    const list = (await api.get(PATH)).json();
    const objects = new Map(
      this.#own(list['items'] as JsonBody[]).map(({ metadata, ...rest }) => [
        metadata.name!,
        valueOf({ metadata, ...rest }),
      ]),
    );
    const record: WatchRecord = {
      start: { revision: Number(list.metadata.resourceVersion), objects },
      events: [],
      resumed: 0,
    };
    this.watches.push(record);
    return record;
  }

  /** Follows a watcher's record from where it stopped, until the server is gone or all is seen up to `until`. */
  async follow(api: RawApi, record: WatchRecord, until = Number.POSITIVE_INFINITY): Promise<void> {
    const from = record.events.at(-1)?.revision ?? record.start.revision;
    if (from >= until) return;
    const reader = await api.watch(`${PATH}?watch=1&resourceVersion=${from}&timeoutSeconds=600`);
    record.resumed += 1;
    for (let line = await reader.next(); line; line = await reader.next()) {
      if (line.type === 'ERROR')
        throw new Error(`the watch from ${from} was refused: ${JSON.stringify(line.object)}`);
      const [object] = this.#own([line.object]);
      const revision = Number(line.object.metadata.resourceVersion);
      if (object)
        record.events.push({
          type: line.type as SeenEvent['type'],
          key: object.metadata.name!,
          value: valueOf(object),
          revision,
        });
      if (revision >= until) break;
    }
    reader.close();
  }

  /** Writes with so many writers at once until the server is gone or `enough` says so after a write. */
  async write(api: RawApi, writers: number, enough: () => boolean): Promise<void> {
    const writer = async (index: number): Promise<void> => {
      for (let turn = 0; !enough(); turn++) {
        const keys = [
          ...SHARED_KEYS,
          ...Array.from({ length: KEYS_OF_A_WRITER }, (_, i) => `w${index}-${i}`),
        ];
        const key = `${this.#prefix}${keys[turn % keys.length]}`;
        if (!(await this.#step(api, key))) return;
      }
    };
    await Promise.all(Array.from({ length: writers }, (_, index) => writer(index)));
  }

  async finish(api: RawApi): Promise<ApiHistory> {
    const list = (await api.get(PATH)).json();
    const last = Number(list.metadata.resourceVersion);
    // The last event of the store may be of another object: a write of ours ends every watch.
    const marker = (await api.post(PATH, this.#object(`${this.#prefix}end`, 'end'))).json();
    const end = Number(marker.metadata.resourceVersion);
    this.writes.push({
      begin: ++this.#moment,
      end: ++this.#moment,
      kind: 'create',
      key: `${this.#prefix}end`,
      value: 'end',
      outcome: 'acknowledged',
      revision: end,
    });
    await Promise.all(this.watches.map((watch) => this.follow(api, watch, Math.max(end, last))));
    const final = this.#own((await api.get(PATH)).json()['items'] as JsonBody[]);
    return {
      writes: this.writes,
      watches: this.watches,
      final: new Map(final.map((object) => [object.metadata.name!, valueOf(object)])),
    };
  }

  #own(objects: readonly JsonBody[]): JsonBody[] {
    return objects.filter(({ metadata }) => metadata.name?.startsWith(this.#prefix));
  }

  #object(name: string, value: string, version?: string): object {
    return {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name, ...(version ? { resourceVersion: version } : {}) },
      data: { value },
    };
  }

  /** One write to a key: create it, update it, or now and then delete it. False where the server is gone. */
  async #step(api: RawApi, key: string): Promise<boolean> {
    const known = this.#known.get(key);
    const serial = ++this.#serial;
    const kind = !known ? 'create' : serial % 7 === 0 ? 'delete' : 'update';
    const value = kind === 'delete' ? known!.value : `v${serial}`;
    const write: WriteRecord = { begin: ++this.#moment, kind, key, value, outcome: 'unknown' };
    this.writes.push(write);
    try {
      const answer = await this.#send(api, kind, key, value, known?.version);
      write.end = ++this.#moment;
      write.outcome = answer.status < 300 ? 'acknowledged' : 'refused';
      if (answer.status >= 500) write.outcome = 'unknown';
      else if (write.outcome === 'refused') await this.#look(api, key);
      else if (kind === 'delete') this.#known.delete(key);
      else {
        const version = answer.json().metadata.resourceVersion;
        write.revision = Number(version);
        this.#known.set(key, { value, version });
      }
      return true;
    } catch {
      // No answer: whether it was done is not known, so that the next round looks first.
      this.#known.delete(key);
      return false;
    }
  }

  #send(api: RawApi, kind: WriteRecord['kind'], key: string, value: string, version: string | undefined) {
    if (kind === 'create') return api.post(PATH, this.#object(key, value));
    if (kind === 'update') return api.put(`${PATH}/${key}`, this.#object(key, value, version));
    return api.delete(`${PATH}/${key}`, {
      apiVersion: 'v1',
      kind: 'DeleteOptions',
      preconditions: { resourceVersion: version },
    });
  }

  /** Reads what stands at a key, after another writer was faster or an outcome was not known. */
  async #look(api: RawApi, key: string): Promise<void> {
    const answer = await api.get(`${PATH}/${key}`);
    if (answer.status !== 200) this.#known.delete(key);
    else
      this.#known.set(key, {
        value: valueOf(answer.json()),
        version: answer.json().metadata.resourceVersion,
      });
  }
}
