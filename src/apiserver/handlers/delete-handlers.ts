import type { KubeObject } from '../../api/resource.ts';
import { decodeBody } from '../codec/decode-body.ts';
import { deleteObject } from '../registry/delete.ts';
import { listEntries } from '../registry/list.ts';
import { parseListOptions } from '../registry/list-options.ts';
import { parseSelection } from '../registry/selection.ts';
import { deletedStatus, StatusError } from '../status-errors.ts';
import { sendList } from '../respond/list-answer.ts';
import { sendStored } from '../respond/object-answer.ts';
import { sendObject } from '../respond/send.ts';
import { parseDeleteOptions } from './delete-options.ts';
import { negotiateList, negotiateObject, negotiatePlain } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';

/** Deletions of a collection that run side by side. */
const DELETE_WORKERS = 16;

/** DELETE of one object. */
export async function handleDelete(call: ResourceCall): Promise<void> {
  const { env, served, context, target } = call;
  const { options, dryRun, object } = await readOptions(call);
  const outcome = await deleteObject(env, served, {
    namespace: context.info.namespace,
    name: context.info.name,
    context,
    dryRun,
    admission: true,
    deleteOptions: options,
    options: object,
  });
  const meta = outcome.object.metadata ?? {};
  if (outcome.deleted && !served.definition.strategy?.returnsDeletedObject) {
    const status = deletedStatus(served.groupResource, meta.name ?? '', meta.uid ?? '');
    await sendObject(target, 200, status, negotiatePlain(call));
    return;
  }
  await sendStored(target, served, 200, outcome, negotiateObject(call), env.clock.now());
}

/** DELETE of a collection: of what a list shows, one by one; what is gone meanwhile does not matter. */
export async function handleDeleteCollection(call: ResourceCall): Promise<void> {
  const { env, served, context, target } = call;
  const representation = negotiateList(call);
  const { options, dryRun, object } = await readOptions(call);
  const listOptions = parseListOptions(context.http.query, false);
  const selection = parseSelection(served, context.info);
  const result = await listEntries(env, served, selection, listOptions);
  const queue = [...result.entries];
  let failure: unknown;
  const work = async () => {
    for (let entry = queue.shift(); entry && failure === undefined; entry = queue.shift()) {
      try {
        await deleteObject(env, served, {
          namespace: entry.namespace,
          name: entry.name,
          context,
          dryRun,
          admission: true,
          deleteOptions: options,
          options: object,
        });
      } catch (error) {
        if (!(error instanceof StatusError && error.reason === 'NotFound')) failure ??= error;
      }
    }
  };
  await Promise.all(Array.from({ length: DELETE_WORKERS }, work));
  if (failure !== undefined) throw failure;
  await sendList(target, served, result, representation, env.clock);
}

async function readOptions(call: ResourceCall): Promise<ReturnType<typeof parseDeleteOptions>> {
  const { http } = call.context;
  const bytes = await http.body();
  let body: KubeObject | undefined;
  if (bytes.length > 0) {
    const info = { ...call.served.info, kind: 'DeleteOptions' };
    body = await decodeBody(call.context, info, 'Ignore', bytes);
  }
  return parseDeleteOptions(http.query, body);
}
