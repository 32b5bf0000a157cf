import { NAMESPACES, SERVICEACCOUNTS } from '../../api/gen/resources.ts';
import type { Namespace } from '../../api/gen/types/core-v1.ts';
import { isAlreadyExists } from '../../client/errors.ts';
import { isNamespaceGone, keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { metaOf, nameOf } from '../shared/meta.ts';

const DEFAULT = 'default';

/** Every namespace has a ServiceAccount "default". Mirrors serviceaccount/serviceaccounts_controller.go. */
export const serviceAccountController: ControllerDefinition = {
  name: 'serviceaccount',
  inputs: ['namespaces', 'serviceaccounts'],
  outputs: ['serviceaccounts'],
  start(context) {
    const namespaces = context.informers.for(NAMESPACES);
    const accounts = context.informers.for(SERVICEACCOUNTS, { fieldSelector: `metadata.name=${DEFAULT}` });
    const { queue, loop } = keyedLoop(context, {
      name: 'serviceaccount',
      async sync(name) {
        const namespace = namespaces.get(name);
        if (!namespace || metaOf(namespace).deletionTimestamp || accounts.get(DEFAULT, name)) return;
        const account = {
          apiVersion: 'v1',
          kind: 'ServiceAccount',
          metadata: { name: DEFAULT, namespace: name },
        };
        await context.client.create(SERVICEACCOUNTS, account).catch((error: unknown) => {
          if (!isAlreadyExists(error) && !isNamespaceGone(error)) throw error;
        });
      },
    });
    const enqueue = (namespace: Namespace): void => queue.add(nameOf(namespace));
    namespaces.subscribe({ added: enqueue, updated: (_, namespace) => enqueue(namespace) });
    accounts.subscribe({ deleted: ({ metadata }) => queue.add(metadata?.namespace ?? '') });
    return [loop];
  },
};
