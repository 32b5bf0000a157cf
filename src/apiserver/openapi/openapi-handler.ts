import { createHash } from 'node:crypto';
import { nextTurn } from '../../base/next-turn.ts';
import type { RemoteApi, RemoteApis } from '../aggregation/remote-apis.ts';
import type { PathHandler } from '../path-handler.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import type { ResourceTable } from '../registry/resource-table.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { parseAccept } from '../respond/representation.ts';
import { sendBytes } from '../respond/send.ts';
import { notAcceptable } from '../status-errors.ts';
import { documentV2, documentV3 } from './documents.ts';
import { documentKey } from './paths.ts';
import { encodeOpenApiV2 } from './v2-protobuf.ts';

const JSON_TYPE = 'application/json';
const V2_PROTOBUF = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
/** What is answered to it: Go cannot parse a media type with an '@'. */
const V2_PROTOBUF_ANSWER = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';

interface Document {
  body: Buffer;
  /** Upper-case hex of its SHA-512, in quotes for ETag. */
  hash: string;
}

/**
 * /openapi/v3 (an index with hashes, and one document a group and version) and /openapi/v2. Documents are
 * made when they are first asked for, and again when what is served has changed.
 */
export class OpenApiHandler implements PathHandler {
  readonly #table: ResourceTable;
  readonly #gzipThresholdBytes: number;
  readonly #documents = new Map<string, Document>();
  readonly #remotes: RemoteApis;
  #generation = '';

  constructor(options: { table: ResourceTable; remotes: RemoteApis; gzipThresholdBytes: number }) {
    this.#remotes = options.remotes;
    this.#table = options.table;
    this.#gzipThresholdBytes = options.gzipThresholdBytes;
  }

  async handle(context: RequestContext, response: ApiResponse): Promise<boolean> {
    const path = context.info.path.replace(/\/$/, '');
    if (path !== '/openapi/v2' && path !== '/openapi/v3' && !path.startsWith('/openapi/v3/')) return false;
    const generation = `${this.#table.generation} ${this.#remotes.generation}`;
    if (this.#generation !== generation) {
      this.#generation = generation;
      this.#documents.clear();
    }
    if (path === '/openapi/v2') {
      await this.#sendV2(context, response);
      return true;
    }
    const groups = this.#groups();
    if (path === '/openapi/v3') {
      // All documents at once would hold the event loop too long.
      for (const [key, resources] of groups) {
        if (this.#documents.has(`v3 ${key}`)) continue;
        this.#groupDocument(key, resources);
        await nextTurn();
      }
      const index = this.#document('index', () => this.#index(groups));
      await this.#send(context, response, JSON_TYPE, index);
      return true;
    }
    const key = path.slice('/openapi/v3/'.length);
    const resources = groups.get(key);
    if (!resources) return false;
    await this.#send(context, response, JSON_TYPE, this.#groupDocument(key, resources));
    return true;
  }

  async #sendV2(context: RequestContext, response: ApiResponse): Promise<void> {
    const accept = context.http.headers.accept ?? '*/*';
    for (const { type } of parseAccept(accept)) {
      if (type === V2_PROTOBUF || type === 'application/com.github.googleapis.gnostic.openapiv2+protobuf') {
        const document = this.#document('v2 protobuf', () => encodeOpenApiV2(this.#v2()));
        await this.#send(context, response, V2_PROTOBUF_ANSWER, document);
        return;
      }
      if (type === JSON_TYPE || type === 'application/*' || type === '*/*') {
        const document = this.#document('v2', () => json(this.#v2()));
        await this.#send(context, response, JSON_TYPE, document);
        return;
      }
    }
    throw notAcceptable([JSON_TYPE, V2_PROTOBUF]);
  }

  #v2(): object {
    return withRemotes(documentV2(this.#shown()), this.#remotes.all());
  }

  #shown(): ServedResource[] {
    return this.#table.all().filter((served) => !served.definition.skipInDiscovery);
  }

  #groups(): Map<string, ServedResource[]> {
    const groups = new Map<string, ServedResource[]>();
    for (const served of this.#shown()) {
      const key = documentKey(served.info);
      groups.set(key, [...(groups.get(key) ?? []), served]);
    }
    return groups;
  }

  #groupDocument(key: string, resources: readonly ServedResource[]): Document {
    const { group, version } = resources[0]?.info ?? { group: '', version: '' };
    return this.#document(`v3 ${key}`, () => json(documentV3(group, version, resources)));
  }

  #index(groups: ReadonlyMap<string, ServedResource[]>): Buffer {
    const paths: Record<string, object> = {};
    for (const [key, resources] of groups) {
      const { hash } = this.#groupDocument(key, resources);
      paths[key] = { serverRelativeURL: `/openapi/v3/${key}?hash=${hash}` };
    }
    for (const { apiService, documents } of this.#remotes.all()) {
      const { group = '', version = '' } = apiService.spec ?? {};
      const url = documents?.openApiV3;
      if (url !== undefined) paths[`apis/${group}/${version}`] = { serverRelativeURL: url };
    }
    return json({
      paths: Object.fromEntries(Object.entries(paths).sort(([a], [b]) => (a < b ? -1 : 1))),
    });
  }

  #document(name: string, make: () => Buffer): Document {
    let document = this.#documents.get(name);
    if (!document) {
      const body = make();
      document = { body, hash: createHash('sha512').update(body).digest('hex').toUpperCase() };
      this.#documents.set(name, document);
    }
    return document;
  }

  async #send(
    context: RequestContext,
    response: ApiResponse,
    contentType: string,
    document: Document,
  ): Promise<void> {
    const etag = `"${document.hash}"`;
    response.setHeader('etag', etag);
    response.setHeader('vary', 'Accept');
    if (context.http.headers['if-none-match'] === etag) {
      response.send(304, '', Buffer.alloc(0));
      return;
    }
    const target = { request: context.http, response, gzipThresholdBytes: this.#gzipThresholdBytes };
    await sendBytes(target, 200, contentType, [document.body]);
  }
}

/** With what others serve. A definition of theirs that is called as one of ours is taken for the same. */
function withRemotes(document: object, remotes: readonly RemoteApi[]): object {
  const own = document as { paths: object; definitions: object };
  const parts = remotes.map(({ documents }) => documents?.openApiV2);
  if (parts.every((part) => part === undefined)) return document;
  return {
    ...own,
    paths: Object.assign({}, own.paths, ...parts.map((part) => part?.paths)) as object,
    definitions: Object.assign({}, ...parts.map((part) => part?.definitions), own.definitions) as object,
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}
