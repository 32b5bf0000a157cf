import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import type { Node } from '../../api/gen/types/core-v1.ts';
import { parseCertificateRequest } from '../../pki/parse.ts';
import type { ParsedRequest } from '../../pki/parse.ts';

// Mirrors pkg/apis/certificates/helpers.go.
export const KUBELET_CLIENT = 'kubernetes.io/kube-apiserver-client-kubelet';
export const KUBELET_SERVING = 'kubernetes.io/kubelet-serving';
export const API_CLIENT = 'kubernetes.io/kube-apiserver-client';
const NODE_PREFIX = 'system:node:';
const NODES_GROUP = 'system:nodes';

/** The request inside the object; throws E_CSR where it is none or not signed by its own key. */
export function requestOf(csr: CertificateSigningRequest): ParsedRequest {
  return parseCertificateRequest(Buffer.from(csr.spec.request ?? '', 'base64').toString('utf8'));
}

export function hasCondition(csr: CertificateSigningRequest, type: string): boolean {
  return csr.status?.conditions?.some((condition) => condition.type === type) ?? false;
}

/** Why this is no request for a kubelet's client certificate; undefined where it is one. */
export function clientProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  const subject = subjectProblem(request);
  if (subject) return subject;
  if (request.dnsNames.length > 0) return 'DNS subjectAltNames are not allowed';
  if (request.ipAddresses.length > 0) return 'IP subjectAltNames are not allowed';
  return usageProblem(usages, 'client auth');
}

/** Why this is no request for a kubelet's serving certificate; undefined where it is one. */
export function servingProblem(request: ParsedRequest, usages: readonly string[]): string | undefined {
  const subject = subjectProblem(request);
  if (subject) return subject;
  if (!request.dnsNames?.length && !request.ipAddresses?.length)
    return 'DNS or IP subjectAltName is required';
  return usageProblem(usages, 'server auth');
}

function subjectProblem(request: ParsedRequest): string | undefined {
  if (request.organizations?.length !== 1 || request.organizations[0] !== NODES_GROUP)
    return `subject organization is not ${NODES_GROUP}`;
  if (request.emailAddresses.length > 0) return 'Email subjectAltNames are not allowed';
  if (request.uris.length > 0) return 'URI subjectAltNames are not allowed';
  if (!request.commonName.startsWith(NODE_PREFIX))
    return `subject common name does not begin with ${NODE_PREFIX}`;
  return undefined;
}

function usageProblem(usages: readonly string[], purpose: string): string | undefined {
  const allowed = new Set(['key encipherment', 'digital signature', purpose]);
  const has = (usage: string): boolean => usages.includes(usage);
  if (usages.every((usage) => allowed.has(usage)) && has('digital signature') && has(purpose))
    return undefined;
  return 'usages did not match expected values';
}

/** The name of the node that the request speaks for. */
export function nodeNameOf(request: ParsedRequest): string {
  return request.commonName.slice(NODE_PREFIX.length);
}

/**
 * Whether the node itself asks, for nothing but the names and addresses that it has. Upstream leaves these
 * requests to people; without an answer `kubectl logs` would have to trust any certificate.
 */
export function mayServe(
  csr: CertificateSigningRequest,
  request: ParsedRequest,
  node: Node | undefined,
): boolean {
  if (csr.spec.username !== request.commonName || !csr.spec.groups?.includes(NODES_GROUP)) return false;
  const addresses = new Set(node?.status?.addresses?.map(({ address }) => address));
  const asked = [...request.dnsNames, ...request.ipAddresses];
  return asked.length > 0 && asked.every((name) => addresses.has(name));
}
