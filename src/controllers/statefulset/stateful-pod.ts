import type { ControllerRevision, StatefulSet } from '../../api/gen/types/apps-v1.ts';
import type { PersistentVolumeClaim, Pod, PodTemplateSpec, Volume } from '../../api/gen/types/core-v1.ts';
import { podFromTemplate } from '../replicaset/pod-from-template.ts';
import { REVISION_HASH } from '../shared/history.ts';
import { metaOf, nameOf } from '../shared/meta.ts';

function podName(set: StatefulSet, ordinal: number): string {
  return `${nameOf(set)}-${ordinal}`;
}

/** The pod's place in its set; undefined for a pod that only looks like one of the set's. */
export function ordinalOf(set: StatefulSet, pod: Pod): number | undefined {
  const [, text] = /-(\d+)$/.exec(nameOf(pod)) ?? [];
  return text !== undefined && nameOf(pod) === `${nameOf(set)}-${Number(text)}` ? Number(text) : undefined;
}

export function revisionOf(pod: Pod): string {
  return metaOf(pod).labels?.[REVISION_HASH] ?? '';
}

/** The template that a revision keeps. */
function templateOf(revision: ControllerRevision): PodTemplateSpec | undefined {
  const { spec } = (revision.data ?? {}) as { spec?: { template?: PodTemplateSpec & { $patch?: string } } };
  if (!spec?.template) return undefined;
  const { $patch: _, ...template } = spec.template;
  return template;
}

/** Mirrors newStatefulSetPod, updateIdentity and updateStorage of pkg/controller/statefulset. */
export function statefulPod(set: StatefulSet, revision: ControllerRevision, ordinal: number): Pod {
  const name = podName(set, ordinal);
  const pod = podFromTemplate(templateOf(revision), set);
  const { generateName: _, ...metadata } = pod.metadata ?? {};
  const labels = {
    ...metadata.labels,
    [REVISION_HASH]: nameOf(revision),
    'statefulset.kubernetes.io/pod-name': name,
    'apps.kubernetes.io/pod-index': String(ordinal),
  };
  const spec = {
    ...pod.spec,
    hostname: name,
    subdomain: set.spec?.serviceName,
    volumes: volumesOf(set, pod, ordinal),
  };
  return { ...pod, metadata: { ...metadata, name, labels }, spec: spec as Pod['spec'] };
}

/** Claims of the set stand in place of volumes of the same name. */
function volumesOf(set: StatefulSet, pod: Pod, ordinal: number): Volume[] {
  const claims = claimsFor(set, ordinal);
  const templates = set.spec?.volumeClaimTemplates ?? [];
  const own = templates.map((template, index): Volume => ({
    name: nameOf(template),
    persistentVolumeClaim: { claimName: nameOf(claims[index] ?? {}) },
  }));
  const names = new Set(own.map(({ name }) => name));
  return [...own, ...(pod.spec?.volumes ?? []).filter(({ name }) => !names.has(name))];
}

/** The claims of one pod; they outlive it, and its set. */
export function claimsFor(set: StatefulSet, ordinal: number): PersistentVolumeClaim[] {
  return (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      name: `${nameOf(template)}-${podName(set, ordinal)}`,
      namespace: metaOf(set).namespace,
      labels: { ...metaOf(template).labels, ...set.spec?.selector.matchLabels },
      annotations: metaOf(template).annotations,
    },
    spec: template.spec,
  }));
}
