import type { CustomResourceSubresourceScale } from '../../api/gen/types/apiextensions-v1.ts';
import { isObject } from '../../api/objects.ts';
import type { KubeObject } from '../../api/resource.ts';
import { internalError } from '../status-errors.ts';
import type { ScaleSubresource } from '../resource-definition.ts';

/** /scale over the paths that the definition names. Mirrors registry/customresource/etcd.go. */
export function scaleOf(scale: CustomResourceSubresourceScale): ScaleSubresource<KubeObject> {
  const specPath = fieldsOf(scale.specReplicasPath);
  const statusPath = fieldsOf(scale.statusReplicasPath);
  const selectorPath = scale.labelSelectorPath ? fieldsOf(scale.labelSelectorPath) : undefined;
  return {
    type: 'scale',
    name: 'scale',
    replicasPath: specPath,
    read(object) {
      const specReplicas = valueAt(object, specPath);
      if (specReplicas === undefined) {
        throw internalError(
          `the spec replicas field ${JSON.stringify(scale.specReplicasPath)} does not exist`,
        );
      }
      const selector = selectorPath && valueAt(object, selectorPath);
      return {
        specReplicas: Number(specReplicas),
        statusReplicas: Number(valueAt(object, statusPath) ?? 0),
        selector: typeof selector === 'string' ? selector : '',
      };
    },
    write(object, replicas) {
      let node = object as Record<string, unknown>;
      for (const name of specPath.slice(0, -1)) {
        if (!isObject(node[name])) node[name] = {};
        node = node[name] as Record<string, unknown>;
      }
      node[specPath.at(-1) ?? ''] = replicas;
    },
  };
}

/** 'spec', 'replicas' of '.spec.replicas'. */
export function fieldsOf(path: string): string[] {
  return path.replace(/^\./, '').split('.');
}

function valueAt(object: unknown, path: readonly string[]): unknown {
  let value = object;
  for (const name of path) {
    if (!isObject(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value ?? undefined;
}
