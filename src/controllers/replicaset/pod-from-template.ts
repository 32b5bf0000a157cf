import type { Pod, PodTemplateSpec } from '../../api/gen/types/core-v1.ts';
import type { KubeObject } from '../../api/resource.ts';
import { controllerRefTo, metaOf, nameOf } from '../shared/meta.ts';

/** The pod that a workload's template stands for, owned by `owner`. */
export function podFromTemplate(template: PodTemplateSpec | undefined, owner: KubeObject): Pod {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: `${nameOf(owner)}-`,
      namespace: metaOf(owner).namespace,
      labels,
      annotations,
      finalizers,
      ownerReferences: [controllerRefTo(owner)],
    },
    spec: template?.spec,
  };
}
