import type { KubeObject } from '../../api/resource.ts';
import { parseSelection } from '../registry/selection.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { sendList } from '../respond/list-answer.ts';
import { sendStored } from '../respond/object-answer.ts';
import { notFound } from '../status-errors.ts';
import { CacheEntry } from '../watch-cache/cache-entry.ts';
import { negotiateList, negotiateObject } from './resource-call.ts';
import type { ResourceCall } from './resource-call.ts';

type Computed = NonNullable<ResourceDefinition['computed']>;

/** GET of what is worked out when it is read. */
export async function handleComputedGet(call: ResourceCall, computed: Computed): Promise<void> {
  const { served, env, target, context } = call;
  const representation = negotiateObject(call);
  const { name } = context.info;
  const object = await computed.get(name);
  if (!object) throw notFound({ group: served.info.group, resource: computed.notFoundAs }, name);
  await sendStored(target, served, 200, { object, entry: undefined }, representation, env.clock.now());
}

/** Selectors apply; limits do not. */
export async function handleComputedList(call: ResourceCall, computed: Computed): Promise<void> {
  const { served, env, target, context } = call;
  const representation = negotiateList(call);
  const selection = parseSelection(served, context.info);
  const all = (await computed.list()).map((object) => entryOf(object));
  const entries = all.filter(
    (entry) => selection.inScope(entry.key) && (selection.everything || selection.matches(served, entry)),
  );
  const result = { entries, revision: undefined, continueToken: '', remainingItemCount: undefined };
  await sendList(target, served, result, representation, env.clock);
}

function entryOf(object: KubeObject): CacheEntry {
  return new CacheEntry(object.metadata?.name ?? '', 0, Buffer.from(JSON.stringify(object)));
}
