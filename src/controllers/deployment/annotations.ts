import type { Deployment, ReplicaSet } from '../../api/gen/types/apps-v1.ts';
import { metaOf } from '../shared/meta.ts';
import { maxSurge } from './fenceposts.ts';
import { sizeOf } from './replica-sets.ts';

// Mirrors pkg/controller/deployment/util/deployment_util.go.
export const REVISION = 'deployment.kubernetes.io/revision';
const HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED = 'deployment.kubernetes.io/desired-replicas';
export const MAX = 'deployment.kubernetes.io/max-replicas';
const HISTORY_LIMIT_CHARS = 2_000;

const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'deprecated.deployment.rollback.to',
  REVISION,
  HISTORY,
  DESIRED,
  MAX,
]);

type Annotations = Record<string, string>;

export function revisionOf(set: ReplicaSet): number {
  const revision = Number(metaOf(set).annotations?.[REVISION] ?? 0);
  return Number.isInteger(revision) ? revision : 0;
}

export function annotationNumber(set: ReplicaSet, key: string): number | undefined {
  const text = metaOf(set).annotations?.[key];
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined;
}

/** What the newest ReplicaSet should carry: the Deployment's own annotations and its place in history. */
export function newestAnnotations(
  deployment: Deployment,
  set: ReplicaSet | undefined,
  revision: number,
): Annotations {
  const annotations: Annotations = { ...metaOf(set ?? {}).annotations };
  for (const [key, value] of Object.entries(metaOf(deployment).annotations ?? {}))
    if (!NOT_COPIED.has(key)) annotations[key] = value;
  const old = set ? revisionOf(set) : 0;
  // A set that comes back (rollback) moves to the end of history and remembers where it was.
  if (old < revision) {
    annotations[REVISION] = String(revision);
    if (set && old > 0) annotations[HISTORY] = extended(annotations[HISTORY], String(old));
  }
  return set ? annotations : { ...annotations, ...sizeAnnotations(deployment) };
}

/** The sizes for which a ReplicaSet was last scaled; a change tells that the Deployment was scaled. */
export function sizeAnnotations(deployment: Deployment): Annotations {
  const desired = sizeOf(deployment);
  return { [DESIRED]: String(desired), [MAX]: String(desired + maxSurge(deployment)) };
}

function extended(history: string | undefined, revision: string): string {
  const revisions = history ? history.split(',') : [];
  revisions.push(revision);
  while (revisions.join(',').length > HISTORY_LIMIT_CHARS) revisions.shift();
  return revisions.join(',');
}
