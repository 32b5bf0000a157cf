import { notFound } from '../status-errors.ts';
import { listEntries } from '../registry/list.ts';
import { parseListOptions, parseRevision } from '../registry/list-options.ts';
import { readEntry } from '../registry/read-entry.ts';
import { parseSelection } from '../registry/selection.ts';
import { sendList } from '../respond/list-answer.ts';
import { includeObject, sendStored } from '../respond/object-answer.ts';
import { PROTOBUF_TYPE } from '../respond/representation.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import { eventEncoder } from '../watch/event-encoder.ts';
import { serveWatch } from '../watch/serve-watch.ts';
import { asksForWebSocket, WatchOverWebSocket } from '../watch/watch-over-web-socket.ts';
import { negotiateList, negotiateObject, negotiateWatch } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';

/** GET of one object, and of those of its parts that are the object itself (status …). */
export async function handleGet(call: ResourceCall): Promise<void> {
  const representation = negotiateObject(call);
  const entry = await currentEntry(call);
  const { served, env, target } = call;
  await sendStored(
    target,
    served,
    200,
    { object: served.object(entry), entry },
    representation,
    env.clock.now(),
  );
}

/** The newest state, or any the client is content with; rejects with NotFound. */
export async function currentEntry(call: ResourceCall): Promise<CacheEntry> {
  const { env, served, context } = call;
  const { namespace, name } = context.info;
  const asked = context.http.query.get('resourceVersion') ?? '';
  if (asked === '') await env.cache.consistent();
  else await env.cache.atLeast(parseRevision(asked));
  const entry = await readEntry(env, served, namespace, name, false);
  if (!entry) throw notFound(served.groupResource, name);
  return entry;
}

export async function handleList(call: ResourceCall): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiateList(call);
  const options = parseListOptions(context.http.query, false);
  const selection = parseSelection(served, context.info);
  const result = await listEntries(env, served, selection, options);
  await sendList(target, served, result, representation, env.clock);
}

export async function handleWatch(call: ResourceCall): Promise<void> {
  const { env, hub, served, context, target } = call;
  const representation = negotiateWatch(call);
  const options = parseListOptions(context.http.query, true);
  const selection = parseSelection(served, context.info);
  const include = includeObject(context.http.query);
  await serveWatch(env, hub, {
    served,
    selection,
    options,
    encoder: eventEncoder(served, representation, include, env.clock),
    request: context.http,
    response: asksForWebSocket(context.http)
      ? new WatchOverWebSocket(context.http, target.response, representation.mediaType !== PROTOBUF_TYPE)
      : target.response,
  });
}
