import { CONFIGMAPS, NAMESPACES } from '../../api/gen/resources.ts';
import type { ConfigMap, Namespace } from '../../api/gen/types/core-v1.ts';
import { isAlreadyExists } from '../../client/errors.ts';
import { isNamespaceGone, keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { equalJson, metaOf, nameOf } from '../shared/meta.ts';

const NAME = 'kube-root-ca.crt';
const NOTE =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. ' +
  'No other usage is guaranteed across distributions of Kubernetes clusters.';

/**
 * Puts the authority that pods verify the API server with into every namespace, and repairs it when it is
 * changed. Mirrors certificates/rootcacertpublisher/publisher.go.
 */
export function rootCaController(rootCaPem: string): ControllerDefinition {
  return {
    name: 'root-ca',
    inputs: ['namespaces', 'configmaps'],
    outputs: ['configmaps'],
    start(context) {
      const { client } = context;
      const namespaces = context.informers.for(NAMESPACES);
      const maps = context.informers.for(CONFIGMAPS, { fieldSelector: `metadata.name=${NAME}` });
      const { queue, loop } = keyedLoop(context, {
        name: 'root-ca',
        async sync(name) {
          const namespace = namespaces.get(name);
          if (!namespace || metaOf(namespace).deletionTimestamp) return;
          const known = maps.get(NAME, name);
          const wanted = published(name, rootCaPem);
          if (
            known &&
            equalJson(known.data, wanted.data) &&
            metaOf(known).annotations?.['kubernetes.io/description'] === NOTE
          )
            return;
          const write = known
            ? client.update(CONFIGMAPS, {
                ...known,
                data: wanted.data,
                metadata: {
                  ...known.metadata,
                  annotations: { ...known.metadata?.annotations, ...wanted.metadata?.annotations },
                },
              })
            : client.create(CONFIGMAPS, wanted);
          await write.catch((error: unknown) => {
            if (!isAlreadyExists(error) && !isNamespaceGone(error)) throw error;
          });
        },
      });
      const enqueue = (namespace: Namespace): void => queue.add(nameOf(namespace));
      namespaces.subscribe({ added: enqueue, updated: (_, namespace) => enqueue(namespace) });
      const repair = (map: ConfigMap): void => queue.add(metaOf(map).namespace ?? '');
      maps.subscribe({ updated: (_, map) => repair(map), deleted: repair });
      return [loop];
    },
  };
}

function published(namespace: string, rootCaPem: string): ConfigMap {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: NAME, namespace, annotations: { 'kubernetes.io/description': NOTE } },
    data: { 'ca.crt': rootCaPem },
  };
}
