import { isTrue } from '../http/request-info.ts';
import { methodNotAllowed, methodNotSupported, notFound, pathNotFound } from '../status-errors.ts';
import { handleComputedGet, handleComputedList } from './computed-handlers.ts';
import { handleDelete, handleDeleteCollection } from './delete-handlers.ts';
import { handleGet, handleList, handleWatch } from './read-handlers.ts';
import type { ResourceCall } from './resource-call.ts';
import { handleScale } from './scale-handlers.ts';
import { handleAction, handleConnect } from './subresource-handlers.ts';
import { handleCreate, handlePatch, handleUpdate } from './write-handlers.ts';

/** Subresources whose requests may last as long as they like. */
const STREAMS: ReadonlySet<string> = new Set(['attach', 'exec', 'portforward', 'proxy', 'log']);

/** Whether the request is exempt from the time limit. Mirrors apiserver pkg/server/config.go. */
export function isLongRunning(info: { verb: string; subresource: string }, query: URLSearchParams): boolean {
  if (info.verb === 'watch') return true;
  if (info.subresource === 'log') return isTrue(query.get('follow'));
  return STREAMS.has(info.subresource);
}

/** Hands a request for a resource to the one who does its verb. */
export async function dispatch(call: ResourceCall): Promise<void> {
  const { served, context } = call;
  const { info } = context;
  const { deprecationWarning } = served.definition;
  if (deprecationWarning !== undefined) context.warn(deprecationWarning);
  if (info.subresource !== '') return dispatchSubresource(call);
  if (!(served.verbs as readonly string[]).includes(info.verb)) {
    throw methodNotSupported(served.groupResource, info.verb);
  }
  if (info.parts.length > 2) throw pathNotFound();
  const named = info.parts.length > 1;
  if (!named && (info.verb === 'update' || info.verb === 'patch')) throw methodNotAllowed();
  // A name in the path of a POST is no collection.
  if (named && info.verb === 'create') throw methodNotAllowed();
  const { computed } = served.definition;
  if (computed) {
    return info.verb === 'get' ? handleComputedGet(call, computed) : handleComputedList(call, computed);
  }
  switch (info.verb) {
    case 'get':
      return handleGet(call);
    case 'list':
      return handleList(call);
    case 'watch':
      return handleWatch(call);
    case 'create':
      return handleCreate(call);
    case 'update':
      return handleUpdate(call);
    case 'patch':
      return handlePatch(call);
    case 'delete':
      return handleDelete(call);
    case 'deletecollection':
      return handleDeleteCollection(call);
    default:
      throw methodNotSupported(served.groupResource, info.verb);
  }
}

async function dispatchSubresource(call: ResourceCall): Promise<void> {
  const { served, context } = call;
  const { info, http } = context;
  const sub = served.subresource(info.subresource);
  if (!sub && served.definition.custom) throw notFound(served.groupResource, info.name);
  if (!sub || (info.parts.length > 3 && sub.type !== 'connect')) throw pathNotFound();
  if (sub.type === 'connect') return handleConnect(call, sub);
  if (sub.type === 'action') return handleAction(call, sub);
  const verb = { GET: 'get', PUT: 'update', PATCH: 'patch' }[http.method];
  if (sub.type === 'scale') {
    if (!verb) throw methodNotSupported(served.groupResource, http.method.toLowerCase());
    return handleScale(call, sub);
  }
  const verbs: readonly string[] = sub.verbs ?? ['get', 'patch', 'update'];
  if (!verb || !verbs.includes(verb)) throw methodNotAllowed();
  if (verb === 'get') return handleGet(call);
  return verb === 'update' ? handleUpdate(call, sub) : handlePatch(call, sub);
}
