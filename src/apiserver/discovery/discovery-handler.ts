import { createHash } from 'node:crypto';
import { stringifyJson } from '../../api/json/encode.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import type { PathHandler } from '../path-handler.ts';
import type { ResourceTable } from '../registry/resource-table.ts';
import { JSON_TYPE, negotiate, parseAccept } from '../respond/representation.ts';
import { sendBytes, sendObject } from '../respond/send.ts';
import { methodNotAllowed } from '../status-errors.ts';
import {
  aggregatedDiscovery,
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
} from './discovery-documents.ts';
import type { RemoteApis } from '../aggregation/remote-apis.ts';
import { servedGroups } from './served-groups.ts';
import type { ServedGroup } from './served-groups.ts';

interface Aggregated {
  body: Buffer;
  etag: string;
}

/** /api, /apis and what lies below them without naming a resource. */
export class DiscoveryHandler implements PathHandler {
  readonly #table: ResourceTable;
  readonly #serverAddress: () => string;
  readonly #gzipThresholdBytes: number;
  readonly #remotes: RemoteApis;
  #generation = '';
  #groups: ServedGroup[] = [];
  #aggregated = new Map<string, Aggregated>();

  constructor(options: {
    table: ResourceTable;
    remotes: RemoteApis;
    serverAddress: () => string;
    gzipThresholdBytes: number;
  }) {
    this.#remotes = options.remotes;
    this.#table = options.table;
    this.#serverAddress = options.serverAddress;
    this.#gzipThresholdBytes = options.gzipThresholdBytes;
  }

  async handle(context: RequestContext, response: ApiResponse): Promise<boolean> {
    const parts = context.info.path.split('/').filter((part) => part !== '');
    if (parts[0] !== 'api' && parts[0] !== 'apis') return false;
    const document = this.#document(parts);
    if (document === undefined) return false;
    const { http } = context;
    if (http.method !== 'GET' && http.method !== 'HEAD') throw methodNotAllowed();
    const target = { request: http, response, gzipThresholdBytes: this.#gzipThresholdBytes };
    const wanted = parts.length === 1 ? aggregatedVersion(http.headers.accept ?? '') : undefined;
    if (wanted) {
      const { body, etag } = this.#aggregate(parts[0], wanted);
      response.setHeader('vary', 'Accept');
      response.setHeader('etag', etag);
      if (http.headers['if-none-match'] === etag) {
        response.send(304, '', Buffer.alloc(0));
        return true;
      }
      const type = `${JSON_TYPE};g=apidiscovery.k8s.io;v=${wanted};as=APIGroupDiscoveryList`;
      await sendBytes(target, 200, type, [body]);
      return true;
    }
    response.setHeader('vary', 'Accept');
    await sendObject(target, 200, document, negotiate(http, { protobuf: true, as: [] }));
    return true;
  }

  /** The older document of a path, or undefined where there is none. */
  #document(parts: readonly string[]): object | undefined {
    const groups = this.#current();
    const [prefix, first, second] = parts;
    if (prefix === 'api') {
      if (parts.length === 1) return apiVersions(this.#serverAddress());
      return parts.length === 2 ? this.#resources('', first ?? '') : undefined;
    }
    if (parts.length === 1) return apiGroupList(groups);
    if (parts.length === 3) return this.#resources(first ?? '', second ?? '');
    const group = parts.length === 2 ? groups.find((each) => each.group === first) : undefined;
    return group && { kind: 'APIGroup', apiVersion: 'v1', ...apiGroup(group) };
  }

  #resources(group: string, version: string): object | undefined {
    const found = this.#current()
      .find((each) => each.group === group)
      ?.versions.find((each) => each.version === version);
    return found && apiResourceList(group, version, found.resources);
  }

  #current(): ServedGroup[] {
    const generation = `${this.#table.generation} ${this.#remotes.generation}`;
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#groups = servedGroups(this.#table, this.#remotes.all());
      this.#aggregated.clear();
    }
    return this.#groups;
  }

  #aggregate(prefix: string, apiVersion: string): Aggregated {
    const groups = this.#current().filter((group) => (group.group === '') === (prefix === 'api'));
    const key = `${prefix} ${apiVersion}`;
    let document = this.#aggregated.get(key);
    if (!document) {
      const body = Buffer.from(stringifyJson(aggregatedDiscovery(groups, apiVersion)));
      const etag = `"${createHash('sha256').update(body).digest('hex').toUpperCase()}"`;
      document = { body, etag };
      this.#aggregated.set(key, document);
    }
    return document;
  }
}

/** 'v2' or 'v2beta1' where the client prefers the aggregated form, else undefined. */
function aggregatedVersion(accept: string): string | undefined {
  for (const range of parseAccept(accept)) {
    if (range.type !== JSON_TYPE && range.type !== '*/*') continue;
    const { params } = range;
    if (params.get('as') !== 'APIGroupDiscoveryList') return undefined;
    const version = params.get('v') ?? '';
    if (params.get('g') === 'apidiscovery.k8s.io' && /^v2(beta1)?$/.test(version)) return version;
  }
  return undefined;
}
