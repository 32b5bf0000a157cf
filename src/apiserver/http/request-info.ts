import type { RequestInfo } from '../request-context.ts';

const VERBS: Record<string, string> = {
  POST: 'create',
  GET: 'get',
  HEAD: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** Subresources of namespaces: '/namespaces/x/status' is no resource of its own inside namespace x. */
const NAMESPACE_SUBRESOURCES: ReadonlySet<string> = new Set(['status', 'finalize']);

/** Reads method, path and query as a request for a resource, or for a plain path. Mirrors apiserver pkg/endpoints/request/requestinfo.go. */
export function parseRequestInfo(method: string, path: string, query: URLSearchParams): RequestInfo {
  const info: RequestInfo = {
    isResourceRequest: false,
    verb: method.toLowerCase(),
    path,
    apiPrefix: '',
    group: '',
    version: '',
    namespace: '',
    resource: '',
    subresource: '',
    name: '',
    parts: [],
    labelSelector: '',
    fieldSelector: '',
  };
  let parts = splitPath(path);
  const prefix = parts[0];
  if (prefix !== 'api' && prefix !== 'apis') return info;
  const head = prefix === 'api' ? 2 : 3;
  if (parts.length <= head) return info;
  info.isResourceRequest = true;
  info.apiPrefix = prefix;
  info.group = prefix === 'apis' ? (parts[1] ?? '') : '';
  info.version = parts[head - 1] ?? '';
  parts = parts.slice(head);
  info.verb = VERBS[method] ?? method.toLowerCase();
  // '/api/v1/watch/pods', the old way to watch.
  const legacyWatch = parts[0] === 'watch' && parts.length > 1;
  if (legacyWatch) parts = parts.slice(1);
  if (parts[0] === 'namespaces' && parts[1] !== undefined) {
    info.namespace = parts[1];
    if (parts.length > 2 && !NAMESPACE_SUBRESOURCES.has(parts[2] ?? '')) parts = parts.slice(2);
  }
  info.parts = parts;
  info.resource = parts[0] ?? '';
  info.name = parts[1] ?? '';
  info.subresource = parts[2] ?? '';
  applyQuery(info, query, legacyWatch);
  return info;
}

function applyQuery(info: RequestInfo, query: URLSearchParams, legacyWatch: boolean): void {
  if (info.name === '' && info.verb === 'get') info.verb = 'list';
  if (info.name === '' && info.verb === 'delete') info.verb = 'deletecollection';
  if (legacyWatch) info.verb = 'watch';
  if (info.verb === 'list' || info.verb === 'watch' || info.verb === 'deletecollection') {
    info.labelSelector = query.get('labelSelector') ?? '';
    info.fieldSelector = query.get('fieldSelector') ?? '';
    if (info.verb === 'list' && isTrue(query.get('watch'))) info.verb = 'watch';
    // A list of one name is authorized as that name.
    const named = /^metadata\.name==?([^,=!]+)$/.exec(info.fieldSelector)?.[1];
    if (named !== undefined && info.name === '') info.name = named;
  }
}

/** Go's strconv.ParseBool, with the bare parameter (`?watch`) as true. */
export function isTrue(value: string | null): boolean {
  return value !== null && (value === '' || /^(1|t|T|true|TRUE|True)$/.test(value));
}

function splitPath(path: string): string[] {
  return path
    .split('/')
    .filter((part) => part !== '')
    .map((part) => {
      try {
        return decodeURIComponent(part);
      } catch {
        return part;
      }
    });
}
