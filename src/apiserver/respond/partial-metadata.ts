import type { KubeObject } from '../../api/resource.ts';

/** The object's metadata under the kind that says so. */
export function partialMetadata(object: KubeObject, metaVersion: string): KubeObject {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: `meta.k8s.io/${metaVersion}`,
    metadata: object.metadata ?? {},
  };
}
