import type { KubeObject } from '../../api/resource.ts';
import { decodeBody } from '../codec/decode-body.ts';
import { readEntry } from '../registry/read-entry.ts';
import type { ActionRequest, ActionSubresource, ConnectSubresource } from '../resource-definition.ts';
import { sendObject } from '../respond/send.ts';
import { methodNotAllowed, notFound } from '../status-errors.ts';
import { connectOptions } from './connect-options.ts';
import { negotiatePlain } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';
import { parseWriteOptions } from './write-options.ts';

const VERB_OF_METHOD: Record<string, 'create' | 'get' | 'update' | 'patch' | 'delete'> = {
  POST: 'create',
  GET: 'get',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** A subresource that answers with another kind: binding, eviction, token … */
export async function handleAction(call: ResourceCall, action: ActionSubresource<KubeObject>): Promise<void> {
  const { env, served, context, target } = call;
  const { namespace, name } = context.info;
  const verb = VERB_OF_METHOD[context.http.method];
  if (!verb || !action.verbs.includes(verb)) throw methodNotAllowed();
  const representation = negotiatePlain(call);
  const options = parseWriteOptions(context.http.query, 'CreateOptions');
  const hasBody = verb === 'create' || verb === 'update';
  const body = hasBody
    ? await decodeBody(context, { ...served.info, ...action.kind }, options.fieldValidation)
    : undefined;
  const request: ActionRequest<KubeObject> = {
    namespace,
    name,
    body,
    context: { ...context, dryRun: options.dryRun, warn: (text) => context.warn(text) },
    store: env.store,
    parent: () => parentOf(call),
    admit: (object) => admit(call, action.name, object, options.object),
  };
  const { object, status } = await action.handle(request);
  await sendObject(target, status ?? (verb === 'create' ? 201 : 200), object, representation);
}

async function parentOf(call: ResourceCall): Promise<KubeObject> {
  const { env, served, context } = call;
  const { namespace, name } = context.info;
  await env.cache.consistent();
  const entry = await readEntry(env, served, namespace, name, false);
  if (!entry) throw notFound(served.groupResource, name);
  return served.object(entry);
}

async function admit(
  call: ResourceCall,
  subresource: string,
  object: KubeObject,
  options: KubeObject,
): Promise<KubeObject> {
  const { env, served, context } = call;
  const attributes = {
    operation: 'CREATE' as const,
    resource: served.info,
    subresource,
    namespace: context.info.namespace,
    name: context.info.name,
    object: object as KubeObject | undefined,
    oldObject: undefined,
    options,
    context,
  };
  await env.admission.admit(attributes, env.store);
  await env.admission.validate(attributes, env.store);
  return attributes.object ?? object;
}

/** A stream through the server to elsewhere. The handler takes the exchange over. */
export async function handleConnect(call: ResourceCall, connect: ConnectSubresource): Promise<void> {
  const { env, context, target } = call;
  const { info, http } = context;
  if (!connect.methods.includes(http.method.toLowerCase())) throw methodNotAllowed();
  const rest = restOf(info.path, info.parts.length);
  // Logs are read, not connected to.
  if (connect.name !== 'log') await admitConnect(call, connect, rest);
  await connect.connect({
    namespace: info.namespace,
    name: info.name,
    rest,
    http,
    response: target.response,
    context,
    store: env.store,
  });
}

async function admitConnect(call: ResourceCall, connect: ConnectSubresource, rest: string): Promise<void> {
  const { env, served, context } = call;
  const { info, http } = context;
  const options = connect.options?.(http.query) ?? connectOptions(connect.kind, http.query, rest);
  const attributes = {
    operation: 'CONNECT' as const,
    resource: served.info,
    subresource: connect.name,
    namespace: info.namespace,
    name: info.name,
    object: options as KubeObject | undefined,
    oldObject: undefined,
    options: undefined,
    context,
  };
  await env.admission.admit(attributes, env.store);
  await env.admission.validate(attributes, env.store);
}

/** What follows '/proxy' in the path as the client wrote it, with its slash. */
function restOf(path: string, parts: number): string {
  const segments = path.split('/').filter((part) => part !== '').length;
  // Everything up to the subresource, which is the third of `parts`.
  let skip = segments - parts + 3;
  let at = 0;
  while (skip > 0 && at < path.length) {
    while (path[at] === '/') at += 1;
    while (at < path.length && path[at] !== '/') at += 1;
    skip -= 1;
  }
  return path.slice(at);
}
