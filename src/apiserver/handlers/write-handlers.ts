import type { KubeObject } from '../../api/resource.ts';
import { fairTurns } from '../../base/fair-turns.ts';
import { applyConfig, readApplied } from '../apply/apply-handler.ts';
import { managerOrUserAgent, trackManager } from '../apply/field-managers.ts';
import { decodeBody } from '../codec/decode-body.ts';
import { createObject, resetSystemFields } from '../registry/create.ts';
import { updateObject } from '../registry/update.ts';
import type { UpdateParams } from '../registry/update.ts';
import type { StatusSubresource } from '../resource-definition.ts';
import { sendStored } from '../respond/object-answer.ts';
import { sendObject } from '../respond/send.ts';
import { applyPatch, isApply, readPatch } from './patch.ts';
import { negotiateObject } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';
import { parseWriteOptions } from './write-options.ts';
import type { WriteOptions } from './write-options.ts';

/** POST to a collection. */
export async function handleCreate(call: ResourceCall): Promise<void> {
  const { env, served, context, target } = call;
  const options = parseWriteOptions(context.http.query, 'CreateOptions');
  const object = await decodeBody(
    context,
    served.info,
    options.fieldValidation,
    undefined,
    served.definition.custom,
  );
  const { virtual } = served.definition;
  if (virtual) {
    const representation = negotiateObject(call);
    resetSystemFields(object);
    served.definition.strategy?.defaults?.(object);
    const manager = managerOrUserAgent(options.fieldManager, context.http.headers['user-agent']);
    trackManager(env, served, undefined, object, { manager, subresource: '' });
    const reviewed = await reviewVirtual(call, object, options);
    const answer = await virtual.create(reviewed, context, env.store);
    await sendObject(
      target,
      201,
      { ...answer, kind: served.info.kind, apiVersion: served.apiVersion },
      representation,
    );
    return;
  }
  const representation = negotiateObject(call);
  await fairTurns.next();
  const outcome = await createObject(env, served, object, {
    namespace: context.info.namespace,
    context,
    dryRun: options.dryRun,
    admission: true,
    options: options.object,
    manager: managerOrUserAgent(options.fieldManager, context.http.headers['user-agent']),
  });
  await sendStored(target, served, 201, outcome, representation, env.clock.now());
}

/** What is answered and never stored goes through admission as well. */
async function reviewVirtual(
  call: ResourceCall,
  object: KubeObject,
  options: WriteOptions,
): Promise<KubeObject> {
  const { env, served, context } = call;
  const attributes = {
    operation: 'CREATE' as const,
    resource: served.info,
    subresource: '',
    namespace: context.info.namespace,
    name: object.metadata?.name ?? '',
    object: object as KubeObject | undefined,
    oldObject: undefined,
    options: options.object,
    context,
  };
  await env.admission.admit(attributes, env.store);
  await env.admission.validate(attributes, env.store);
  return attributes.object ?? object;
}

/** PUT to an object, or to a part of it. */
export async function handleUpdate(call: ResourceCall, part?: StatusSubresource<KubeObject>): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiateObject(call);
  const options = parseWriteOptions(context.http.query, 'UpdateOptions');
  const object = await decodeBody(
    context,
    served.info,
    options.fieldValidation,
    undefined,
    served.definition.custom,
  );
  const params = updateParams(call, options, part);
  if (!part && served.definition.strategy?.allowCreateOnUpdate && !object.metadata?.resourceVersion) {
    params.createInstead = async () => {
      await call.authorizeCreate();
      (object.metadata ??= {}).name = context.info.name;
      return object;
    };
  }
  await fairTurns.next();
  const outcome = await updateObject(env, served, params, () => served.codec.clone(object));
  const status = outcome.created ? 201 : 200;
  await sendStored(target, served, status, outcome, representation, env.clock.now());
}

/** PATCH of an object, or of a part of it. */
export async function handlePatch(call: ResourceCall, part?: StatusSubresource<KubeObject>): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiateObject(call);
  if (isApply(context)) return handleApply(call, part);
  const patch = await readPatch(context, served.hasProtobuf);
  const options = parseWriteOptions(context.http.query, 'PatchOptions');
  const params = updateParams(call, options, part);
  await fairTurns.next();
  params.isPatch = true;
  const outcome = await updateObject(env, served, params, (current) =>
    applyPatch(patch, current, served.info, context, options.fieldValidation, served.definition.custom),
  );
  await sendStored(target, served, 200, outcome, representation, env.clock.now());
}

/** PATCH with an applied configuration: creates what is not there. */
async function handleApply(call: ResourceCall, part?: StatusSubresource<KubeObject>): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiateObject(call);
  const applied = await readApplied(context);
  const options = parseWriteOptions(context.http.query, 'PatchOptions', true);
  const params = updateParams(call, options, part);
  // Its own field manager has noted the owners already.
  delete params.manager;
  params.isPatch = true;
  const subresource = part?.name ?? '';
  if (!part) {
    params.createInstead = async () => {
      await call.authorizeCreate();
      return applyConfig(call, applied, options, undefined, subresource);
    };
  }
  await fairTurns.next();
  const outcome = await updateObject(env, served, params, (current) =>
    applyConfig(call, applied, options, current, subresource),
  );
  const status = outcome.created ? 201 : 200;
  await sendStored(target, served, status, outcome, representation, env.clock.now());
}

function updateParams(
  call: ResourceCall,
  options: WriteOptions,
  part: StatusSubresource<KubeObject> | undefined,
): UpdateParams {
  const { context } = call;
  const params: UpdateParams = {
    namespace: context.info.namespace,
    name: context.info.name,
    context,
    dryRun: options.dryRun,
    admission: true,
    options: options.object,
    manager: managerOrUserAgent(options.fieldManager, context.http.headers['user-agent']),
  };
  if (part) params.part = part;
  return params;
}
