import { BINDINGS } from '../../../api/gen/resources.ts';
import { badRequest } from '../../status-errors.ts';
import { define } from '../define.ts';
import { bindPod } from './pod-actions.ts';

/** The old place of pods/binding: the pod is named in the body. */
export const bindings = define(BINDINGS, {
  virtual: {
    async create(binding, context, store) {
      const name = binding.metadata?.name ?? '';
      if (name === '') throw badRequest('name is required in the Binding object');
      await bindPod(binding, context.info.namespace, name, context, store);
      return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as never;
    },
  },
});
