import { decodeValue } from '../../api/json/decode.ts';
import type { KubeObject } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import { answerOf, readApplied, reportDuplicates } from '../apply/apply-handler.ts';
import { managerOrUserAgent } from '../apply/field-managers.ts';
import { ScaleManagers } from '../apply/scale-managers.ts';
import { decodeBody } from '../codec/decode-body.ts';
import { invalid } from '../field-error.ts';
import { updateObject } from '../registry/update.ts';
import type { ScaleSubresource } from '../resource-definition.ts';
import { sendObject } from '../respond/send.ts';
import { badRequest, conflict, invalidObject } from '../status-errors.ts';
import { applyPatch, isApply, readPatch } from './patch.ts';
import { currentEntry } from './read-handlers.ts';
import { negotiatePlain } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';
import { parseWriteOptions } from './write-options.ts';
import type { WriteOptions } from './write-options.ts';

interface Scale extends KubeObject {
  spec?: { replicas?: number };
  status?: { replicas: number; selector?: string };
}

const SCALE = { group: 'autoscaling', version: 'v1', resource: 'scale', kind: 'Scale', namespaced: true };

/** GET, PUT and PATCH of '/scale': an autoscaling/v1 Scale over the object. */
export async function handleScale(call: ResourceCall, scale: ScaleSubresource<KubeObject>): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiatePlain(call);
  const { http, info } = context;
  if (http.method === 'GET') {
    const object = served.object(await currentEntry(call));
    await sendObject(target, 200, scaleOf(scale, object), representation);
    return;
  }
  const change = await readChange(call);
  const { options } = change;
  const outcome = await updateObject(
    env,
    served,
    {
      namespace: info.namespace,
      name: info.name,
      context,
      dryRun: options.dryRun,
      // Reviewed as the Scale that it is, below.
      admission: false,
    },
    async (current) => {
      const managers = new ScaleManagers(env, served, scale, current);
      const before = scaleOf(scale, current);
      const wanted = await review(call, change.scaled(before, managers), before, options);
      check(call, wanted, current);
      const copy = served.codec.clone(current);
      scale.write(copy, wanted.spec?.replicas ?? 0);
      const version = wanted.metadata?.resourceVersion || current.metadata?.resourceVersion;
      (copy.metadata ??= {}).resourceVersion = version ?? '';
      managers.writeBack(copy, wanted);
      return copy;
    },
  );
  await sendObject(target, 200, scaleOf(scale, outcome.object), representation);
}

/** Admission sees the subresource's own kind. */
async function review(
  call: ResourceCall,
  wanted: Scale,
  before: Scale,
  options: WriteOptions,
): Promise<Scale> {
  const { env, served, context } = call;
  const { namespace, name } = context.info;
  wanted.kind = 'Scale';
  wanted.apiVersion = 'autoscaling/v1';
  const attributes = {
    operation: 'UPDATE' as const,
    resource: served.info,
    subresource: 'scale',
    namespace,
    name,
    object: wanted as KubeObject | undefined,
    oldObject: before,
    options: options.object,
    context,
  };
  await env.admission.admit(attributes, env.store);
  await env.admission.validate(attributes, env.store);
  return attributes.object as Scale;
}

interface ScaleChange {
  options: WriteOptions;
  /** The Scale that the request makes of the present one, with its managers. */
  scaled(before: Scale, managers: ScaleManagers): Scale;
}

async function readChange(call: ResourceCall): Promise<ScaleChange> {
  const { served, context } = call;
  const { http } = context;
  if (http.method === 'PATCH' && isApply(context)) {
    const applied = await readApplied(context);
    const options = parseWriteOptions(http.query, 'PatchOptions', true);
    return {
      options,
      scaled(before, managers) {
        try {
          const wanted = managers.apply(before, applied.object, options.fieldManager, options.force);
          reportDuplicates(applied, options, context);
          return decodeValue(wanted, schemaForKind(SCALE.group, SCALE.version, SCALE.kind)).object;
        } catch (error) {
          throw answerOf(error);
        }
      },
    };
  }
  const patch = http.method === 'PATCH' ? await readPatch(context, served.hasProtobuf) : undefined;
  const options = parseWriteOptions(http.query, patch ? 'PatchOptions' : 'UpdateOptions');
  const sent = patch ? undefined : ((await decodeBody(context, SCALE, options.fieldValidation)) as Scale);
  const manager = managerOrUserAgent(options.fieldManager, http.headers['user-agent']);
  return {
    options,
    scaled(before, managers) {
      const wanted = patch
        ? (applyPatch(patch, before, SCALE, context, options.fieldValidation) as Scale)
        : served.codec.clone(sent ?? before);
      managers.update(before, wanted, manager);
      return wanted;
    },
  };
}

function check(call: ResourceCall, wanted: Scale, current: KubeObject): void {
  const { info } = call.context;
  const name = wanted.metadata?.name ?? '';
  if (name !== '' && name !== info.name) {
    throw badRequest(`the name of the object (${name}) does not match the name on the URL (${info.name})`);
  }
  const replicas = wanted.spec?.replicas ?? 0;
  // A custom kind's own rules say it of the field that the number comes from.
  if (replicas < 0 && !call.served.definition.custom) {
    throw invalidObject({ group: 'autoscaling', kind: 'Scale' }, info.name, [
      invalid('spec.replicas', replicas, 'must be greater than or equal to 0'),
    ]);
  }
  const uid = wanted.metadata?.uid ?? '';
  if (uid !== '' && uid !== current.metadata?.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata?.uid}`;
    throw conflict({ group: info.group, resource: `${info.resource}/scale` }, info.name, why);
  }
}

function scaleOf(scale: ScaleSubresource<KubeObject>, object: KubeObject): Scale {
  const { specReplicas, statusReplicas, selector } = scale.read(object);
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata ?? {};
  const metadata = Object.fromEntries(
    Object.entries({ name, namespace, uid, resourceVersion, creationTimestamp }).filter(
      ([, value]) => value !== undefined,
    ),
  );
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata,
    spec: { replicas: specReplicas },
    status: { replicas: statusReplicas, ...(selector === '' ? {} : { selector }) },
  };
}
