import { CERTIFICATESIGNINGREQUESTS, NODES, SUBJECTACCESSREVIEWS } from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { codeOf } from '../../base/errors.ts';
import { equalJson, nameOf } from '../shared/meta.ts';
import { keyedLoop } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition } from '../shared/controller.ts';
import {
  clientProblem,
  hasCondition,
  KUBELET_CLIENT,
  KUBELET_SERVING,
  mayServe,
  nodeNameOf,
  requestOf,
  servingProblem,
} from './kubelet-requests.ts';

/**
 * Approves what kubelets ask for: client certificates where the asker is allowed to (a bootstrap token, or
 * the node itself renewing), serving certificates for the node's own addresses. Everything else waits for a
 * person. Mirrors certificates/approver/sarapprove.go.
 */
export const certificateApprovingController: ControllerDefinition = {
  name: 'certificate-approving',
  inputs: ['certificatesigningrequests', 'nodes'],
  outputs: ['certificatesigningrequests/approval', 'subjectaccessreviews'],
  start(context) {
    const requests = context.informers.for(CERTIFICATESIGNINGREQUESTS);
    const nodes = context.informers.for(NODES);
    const { queue, loop } = keyedLoop(context, {
      name: 'certificate-approving',
      async sync(name) {
        const csr = requests.get(name);
        if (!csr || isSettled(csr)) return;
        const message = await reasonToApprove(context, csr, (node) => nodes.get(node));
        if (message !== undefined) await approve(context, csr, message);
      },
    });
    const enqueue = (csr: CertificateSigningRequest): void => {
      if (!isSettled(csr)) queue.add(nameOf(csr));
    };
    requests.subscribe({ added: enqueue, updated: (_, csr) => enqueue(csr) });
    // A serving request may come before the node has told its addresses.
    const recheck = (): void => {
      for (const csr of requests.list()) if (csr.spec.signerName === KUBELET_SERVING) enqueue(csr);
    };
    nodes.subscribe({
      added: recheck,
      updated: (old, node) => !equalJson(old.status?.addresses, node.status?.addresses) && recheck(),
    });
    return [loop];
  },
};

function isSettled(csr: CertificateSigningRequest): boolean {
  return Boolean(csr.status?.certificate) || hasCondition(csr, 'Approved') || hasCondition(csr, 'Denied');
}

type NodeLookup = (name: string) => Parameters<typeof mayServe>[2];

async function reasonToApprove(
  context: ControllerContext,
  csr: CertificateSigningRequest,
  nodeOf: NodeLookup,
): Promise<string | undefined> {
  const { signerName, usages = [] } = csr.spec;
  if (signerName !== KUBELET_CLIENT && signerName !== KUBELET_SERVING) return undefined;
  let request: ReturnType<typeof requestOf>;
  try {
    request = requestOf(csr);
  } catch (error) {
    // No later try can read it better.
    if (codeOf(error) === 'E_CSR') return undefined;
    throw error;
  }
  if (signerName === KUBELET_SERVING) {
    const allowed =
      servingProblem(request, usages) === undefined && mayServe(csr, request, nodeOf(nodeNameOf(request)));
    return allowed ? "Auto approving kubelet serving certificate for the node's own addresses." : undefined;
  }
  if (clientProblem(request, usages) !== undefined) return undefined;
  if (csr.spec.username === request.commonName && (await isAllowed(context, csr, 'selfnodeclient')))
    return 'Auto approving self kubelet client certificate after SubjectAccessReview.';
  if (await isAllowed(context, csr, 'nodeclient'))
    return 'Auto approving kubelet client certificate after SubjectAccessReview.';
  return undefined;
}

async function isAllowed(
  { client }: ControllerContext,
  csr: CertificateSigningRequest,
  subresource: string,
): Promise<boolean> {
  const { username: user, uid, groups, extra } = csr.spec;
  const resourceAttributes = {
    group: 'certificates.k8s.io',
    resource: 'certificatesigningrequests',
    verb: 'create',
    version: '*',
    subresource,
  };
  const review = {
    apiVersion: 'authorization.k8s.io/v1',
    kind: 'SubjectAccessReview',
    spec: { user, uid, groups, extra, resourceAttributes },
  };
  return (await client.create(SUBJECTACCESSREVIEWS, review)).status?.allowed === true;
}

async function approve(
  { client, clock }: ControllerContext,
  csr: CertificateSigningRequest,
  message: string,
): Promise<void> {
  const now = rfc3339(clock.now());
  const condition = {
    type: 'Approved',
    status: 'True',
    reason: 'AutoApproved',
    message,
    lastUpdateTime: now,
    lastTransitionTime: now,
  };
  const status = { ...csr.status, conditions: [...(csr.status?.conditions ?? []), condition] };
  await client.update(CERTIFICATESIGNINGREQUESTS, { ...csr, status }, { subresource: 'approval' });
}
