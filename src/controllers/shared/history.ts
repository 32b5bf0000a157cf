import { CONTROLLERREVISIONS } from '../../api/gen/resources.ts';
import type { ControllerRevision } from '../../api/gen/types/apps-v1.ts';
import type { PodTemplateSpec } from '../../api/gen/types/core-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import { templateHash } from '../deployment/template-hash.ts';
import { controllerRefTo, equalJson, metaOf, nameOf, uidOf } from './meta.ts';

export const REVISION_HASH = 'controller-revision-hash';

/** The template as a patch that `kubectl rollout undo` applies to the owner. */
function dataOf(template: PodTemplateSpec | undefined): object {
  return { spec: { template: { ...template, $patch: 'replace' } } };
}

/** The revisions of an owner: the one of its present template, and the others, oldest first. */
export interface History {
  current: ControllerRevision;
  old: ControllerRevision[];
}

/**
 * Finds the revision of the present template, or makes it; one that comes back (undo) becomes the newest.
 * Mirrors pkg/controller/history and daemon/update.go. Resolves undefined where a hash collides: the caller
 * counts the collision and comes again.
 */
export async function keepHistory(
  client: Client,
  owner: KubeObject & { status?: { collisionCount?: number } },
  template: PodTemplateSpec | undefined,
  known: readonly ControllerRevision[],
): Promise<History | undefined> {
  const data = dataOf(template);
  const sorted = [...known].sort((a, b) => a.revision - b.revision);
  const next = (sorted.at(-1)?.revision ?? 0) + 1;
  const found = sorted.filter((revision) => equalJson(revision.data, data)).at(-1);
  const old = sorted.filter((revision) => revision !== found);
  if (found) {
    const isNewest = found === sorted.at(-1);
    const current = isNewest ? found : await client.update(CONTROLLERREVISIONS, { ...found, revision: next });
    return { current, old };
  }
  const created = await create(client, owner, template, data, next);
  return created && { current: created, old };
}

async function create(
  client: Client,
  owner: KubeObject & { status?: { collisionCount?: number } },
  template: PodTemplateSpec | undefined,
  data: object,
  revision: number,
): Promise<ControllerRevision | undefined> {
  const hash = templateHash(template, owner.status?.collisionCount);
  const wanted: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${nameOf(owner)}-${hash}`,
      namespace: metaOf(owner).namespace,
      labels: { ...template?.metadata?.labels, [REVISION_HASH]: hash },
      ownerReferences: [controllerRefTo(owner)],
    },
    data,
    revision,
  };
  try {
    return await client.create(CONTROLLERREVISIONS, wanted);
  } catch (error) {
    if (!isAlreadyExists(error)) throw error;
    const ref = { namespace: metaOf(owner).namespace, name: nameOf(wanted) };
    const there = await client.get(CONTROLLERREVISIONS, ref);
    const ours = metaOf(there).ownerReferences?.some(({ uid }) => uid === uidOf(owner));
    return ours && equalJson(there.data, data) ? there : undefined;
  }
}

/** Deletes the oldest revisions beyond the limit that no pod is of. */
export async function trimHistory(
  client: Client,
  old: readonly ControllerRevision[],
  limit: number,
  live: ReadonlySet<string>,
): Promise<void> {
  const idle = old.filter((revision) => !live.has(hashOf(revision)));
  for (const revision of idle.slice(0, Math.max(0, idle.length - limit))) {
    const ref = { namespace: metaOf(revision).namespace, name: nameOf(revision) };
    await client
      .delete(CONTROLLERREVISIONS, ref, { preconditions: { uid: uidOf(revision) } })
      .catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
  }
}

export function hashOf(object: KubeObject): string {
  return metaOf(object).labels?.[REVISION_HASH] ?? '';
}
