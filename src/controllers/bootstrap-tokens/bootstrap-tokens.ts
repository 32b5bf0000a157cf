import { SECRETS } from '../../api/gen/resources.ts';
import type { Secret } from '../../api/gen/types/core-v1.ts';
import { isNotFound } from '../../client/errors.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { nameOf, uidOf } from '../shared/meta.ts';

const NAMESPACE = 'kube-system';
const TYPE = 'bootstrap.kubernetes.io/token';

/** Deletes bootstrap tokens when they expire. Mirrors pkg/controller/bootstrap/tokencleaner.go. */
export const bootstrapTokenController: ControllerDefinition = {
  name: 'bootstrap-tokens',
  inputs: ['secrets'],
  outputs: ['secrets'],
  start(context) {
    const { client, clock, log } = context;
    const secrets = context.informers.for(SECRETS, { namespace: NAMESPACE, fieldSelector: `type=${TYPE}` });
    const { queue, loop } = keyedLoop(context, {
      name: 'bootstrap-tokens',
      async sync(name) {
        const secret = secrets.get(name, NAMESPACE);
        const expiration = secret?.data?.['expiration'];
        if (!secret || expiration === undefined) return;
        const text = Buffer.from(expiration, 'base64').toString('utf8');
        const expiresMs = Date.parse(text);
        if (Number.isNaN(expiresMs)) {
          log.warn(
            { secret: name },
            'the expiration of a bootstrap token is not a time, the token is not valid',
          );
          return;
        }
        const waitMs = expiresMs - clock.now();
        // A timer holds 24 days at the most; the rest is waited for in pieces.
        if (waitMs > 0) return queue.addAfter(name, Math.min(waitMs, 86_400_000));
        await client
          .delete(SECRETS, { namespace: NAMESPACE, name }, { preconditions: { uid: uidOf(secret) } })
          .catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
        log.info({ secret: name }, 'expired bootstrap token deleted');
      },
    });
    const enqueue = (secret: Secret): void => queue.add(nameOf(secret));
    secrets.subscribe({ added: enqueue, updated: (_, secret) => enqueue(secret) });
    return [loop];
  },
};
