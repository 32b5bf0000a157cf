import { CERTIFICATESIGNINGREQUESTS } from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import { isNotFound } from '../../client/errors.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { metaOf, nameOf, uidOf } from '../shared/meta.ts';

const HOUR_MS = 3_600_000;

/** Removes requests that are done with: an hour after a verdict, a day without one. Mirrors certificates/cleaner. */
export const certificateCleanerController: ControllerDefinition = {
  name: 'certificate-cleaner',
  inputs: ['certificatesigningrequests'],
  outputs: ['certificatesigningrequests'],
  start(context) {
    const requests = context.informers.for(CERTIFICATESIGNINGREQUESTS);
    const { queue, loop } = keyedLoop(context, {
      name: 'certificate-cleaner',
      async sync(name) {
        const csr = requests.get(name);
        if (!csr) return;
        const waitMs = endMs(csr) - context.clock.now();
        if (waitMs > 0) return queue.addAfter(name, waitMs);
        await context.client
          .delete(CERTIFICATESIGNINGREQUESTS, { name }, { preconditions: { uid: uidOf(csr) } })
          .catch((error: unknown) => {
            if (!isNotFound(error)) throw error;
          });
      },
    });
    const enqueue = (csr: CertificateSigningRequest): void => queue.add(nameOf(csr));
    requests.subscribe({ added: enqueue, updated: (_, csr) => enqueue(csr) });
    return [loop];
  },
};

/** When the request is of no more use. */
function endMs(csr: CertificateSigningRequest): number {
  const verdicts =
    csr.status?.conditions?.filter(
      ({ type }) => type === 'Approved' || type === 'Denied' || type === 'Failed',
    ) ?? [];
  const times = verdicts
    .map(({ lastUpdateTime }) => Date.parse(lastUpdateTime ?? ''))
    .filter((time) => !Number.isNaN(time));
  if (times.length > 0) return Math.min(...times) + HOUR_MS;
  return Date.parse(metaOf(csr).creationTimestamp ?? '') + 24 * HOUR_MS;
}
