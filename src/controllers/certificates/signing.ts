import { CERTIFICATESIGNINGREQUESTS } from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { isKeyUsage } from '../../pki/extensions.ts';
import { signCertificateRequest } from '../../pki/issue.ts';
import type { Identity } from '../../pki/issue.ts';
import { splitCertificates } from '../../pki/pem.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import { nameOf } from '../shared/meta.ts';
import {
  API_CLIENT,
  clientProblem,
  hasCondition,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  requestOf,
  servingProblem,
} from './kubelet-requests.ts';

const DEFAULT_SECONDS = 365 * 24 * 3600;
const SHORTEST_SECONDS = 600;

const API_CLIENT_USAGES = new Set(['client auth', 'digital signature', 'key encipherment']);

/** Signs approved requests of the built-in signers. Mirrors certificates/signer/signer.go. */
export function certificateSigningController(signing: Identity): ControllerDefinition {
  return {
    name: 'certificate-signing',
    inputs: ['certificatesigningrequests'],
    outputs: ['certificatesigningrequests/status'],
    start(context) {
      const requests = context.informers.for(CERTIFICATESIGNINGREQUESTS);
      const { queue, loop } = keyedLoop(context, {
        name: 'certificate-signing',
        async sync(name) {
          const csr = requests.get(name);
          if (csr && isOurs(csr)) await sign(context, csr, signing);
        },
      });
      const enqueue = (csr: CertificateSigningRequest): void => {
        if (isOurs(csr)) queue.add(nameOf(csr));
      };
      requests.subscribe({ added: enqueue, updated: (_, csr) => enqueue(csr) });
      return [loop];
    },
  };
}

function isOurs(csr: CertificateSigningRequest): boolean {
  if (!(csr.spec.signerName in PROBLEMS) || csr.status?.certificate) return false;
  return hasCondition(csr, 'Approved') && !hasCondition(csr, 'Denied') && !hasCondition(csr, 'Failed');
}

type Problem = (request: ReturnType<typeof requestOf>, usages: readonly string[]) => string | undefined;

/** What each signer refuses, approved or not. */
const PROBLEMS: Record<string, Problem> = {
  [KUBELET_CLIENT]: clientProblem,
  [KUBELET_SERVING]: servingProblem,
  [API_CLIENT]: (_, usages) =>
    usages.includes('client auth') && usages.every((usage) => API_CLIENT_USAGES.has(usage))
      ? undefined
      : 'usages did not match expected values',
};

async function sign(context: ControllerContext, csr: CertificateSigningRequest, ca: Identity): Promise<void> {
  const { client, clock } = context;
  const usages = csr.spec.usages ?? [];
  let problem: string | undefined;
  let certificate = '';
  try {
    problem = PROBLEMS[csr.spec.signerName]?.(requestOf(csr), usages);
    if (problem === undefined) {
      const requestPem = Buffer.from(csr.spec.request ?? '', 'base64').toString('utf8');
      const seconds = Math.max(
        SHORTEST_SECONDS,
        Math.min(csr.spec.expirationSeconds ?? DEFAULT_SECONDS, DEFAULT_SECONDS),
      );
      const validity = { durationMs: seconds * 1000 };
      const chain = signCertificateRequest({
        ca,
        requestPem,
        usages: usages.filter(isKeyUsage),
        validity,
        clock,
      });
      // Clients of the API server show a leaf alone: it knows the intermediate itself, and so upstream's clients expect.
      certificate = csr.spec.signerName === API_CLIENT ? (splitCertificates(chain)[0] ?? chain) : chain;
    }
  } catch (error) {
    problem = messageOf(error);
  }
  const status = { ...csr.status };
  if (problem === undefined) status.certificate = Buffer.from(certificate).toString('base64');
  else {
    const now = rfc3339(clock.now());
    const failed = {
      type: 'Failed',
      status: 'True',
      reason: 'SignerValidationFailure',
      message: problem,
      lastUpdateTime: now,
      lastTransitionTime: now,
    };
    status.conditions = [...(status.conditions ?? []), failed];
  }
  await client.update(CERTIFICATESIGNINGREQUESTS, { ...csr, status }, { subresource: 'status' });
  context.log.info(
    { request: nameOf(csr), signer: csr.spec.signerName, user: csr.spec.username, problem },
    problem === undefined ? 'certificate signed' : 'certificate refused',
  );
}
