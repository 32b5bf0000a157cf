import {
  CERTIFICATESIGNINGREQUESTS,
  CSINODES,
  LEASES,
  NODES,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  RESOURCESLICES,
  SERVICEACCOUNTS,
} from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import type { Node, PersistentVolumeClaim } from '../../api/gen/types/core-v1.ts';
import type { ResourceSlice } from '../../api/gen/types/resource-v1.ts';
import { messageOf } from '../../base/errors.ts';
import { parseCertificateRequest } from '../../pki/parse.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import { nodeIdentity } from '../authz/node-identity.ts';
import type { ObjectStore } from '../object-store.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { restrictPod, restrictToken } from './node-restriction-pods.ts';
import { objectOf, oldObjectOf, refuse } from './review.ts';

const NODE_LEASES = 'kube-node-lease';
const RESTRICTED = 'node-restriction.kubernetes.io';
/** Labels of kubernetes.io and k8s.io that a kubelet may set on its own node. Mirrors kubelet pkg/apis/well_known_labels.go. */
const KUBELET_LABELS = new Set([
  'kubernetes.io/hostname',
  'topology.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region',
  'node.kubernetes.io/instance-type',
  'beta.kubernetes.io/instance-type',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'node.kubernetes.io/windows-build',
]);
const KUBELET_DOMAINS = ['kubelet.kubernetes.io', 'node.kubernetes.io'];

/**
 * A kubelet writes its own node, lease and pods, and nothing that would draw other pods' secrets to it.
 * Mirrors plugin/pkg/admission/noderestriction/admission.go.
 */
export function nodeRestriction(authorizer: Authorizer): AdmissionPlugin {
  return {
    name: 'NodeRestriction',
    handles: ({ operation, context }) => operation !== 'CONNECT' && nodeIdentity(context.user) !== undefined,
    async admit(attributes, store) {
      const node = nodeIdentity(attributes.context.user) ?? '';
      if (node === '') {
        const who = JSON.stringify(attributes.context.user.name);
        throw refuse(attributes, `could not determine node from user ${who}`);
      }
      await restrict(node, attributes, store, authorizer);
    },
  };
}

async function restrict(
  node: string,
  attributes: AdmissionAttributes,
  store: ObjectStore,
  authorizer: Authorizer,
): Promise<void> {
  const { group, resource } = attributes.resource;
  const is = (info: { group: string; resource: string }) =>
    info.group === group && info.resource === resource;
  if (is(PODS)) await restrictPod(node, attributes, store);
  else if (is(NODES)) restrictNode(node, attributes);
  else if (is(PERSISTENTVOLUMECLAIMS)) restrictClaim(node, attributes);
  else if (is(SERVICEACCOUNTS)) await restrictToken(node, attributes, store, authorizer);
  else if (is(LEASES)) restrictLease(node, attributes);
  else if (is(CSINODES))
    checkOwnName(node, attributes, 'can only access CSINode with the same name as the requesting node');
  else if (is(RESOURCESLICES)) restrictSlice(node, attributes);
  else if (is(CERTIFICATESIGNINGREQUESTS)) restrictRequest(attributes);
}

function restrictNode(node: string, attributes: AdmissionAttributes): void {
  const named = attributes.name || attributes.object?.metadata?.name || '';
  const who = `node ${JSON.stringify(node)}`;
  if (named !== node)
    throw refuse(attributes, `${who} is not allowed to modify node ${JSON.stringify(named)}`);
  if (attributes.operation === 'CREATE') {
    const created = objectOf<Node>(attributes);
    if (created.spec?.configSource) {
      throw refuse(attributes, `${who} is not allowed to create pods with a non-nil configSource`);
    }
    const labels = forbiddenLabels(created.metadata?.labels, undefined);
    if (labels.length > 0) {
      throw refuse(attributes, `${who} is not allowed to set the following labels: ${labels.join(', ')}`);
    }
  }
  if (attributes.operation !== 'UPDATE') return;
  const now = objectOf<Node>(attributes);
  const old = oldObjectOf<Node>(attributes);
  if (now.spec?.configSource && !sameJson(now.spec.configSource, old.spec?.configSource)) {
    throw refuse(attributes, `${who} is not allowed to update configSource to a new non-nil configSource`);
  }
  if (!sameJson(now.spec?.taints, old.spec?.taints)) {
    throw refuse(attributes, `${who} is not allowed to modify taints`);
  }
  if (!sameJson(now.metadata?.ownerReferences, old.metadata?.ownerReferences)) {
    throw refuse(attributes, `${who} is not allowed to modify ownerReferences`);
  }
  const labels = forbiddenLabels(now.metadata?.labels, old.metadata?.labels);
  if (labels.length > 0) throw refuse(attributes, `is not allowed to modify labels: ${labels.join(', ')}`);
}

/** The changed labels that are not a kubelet's to change, sorted. */
function forbiddenLabels(
  now: Record<string, string> | undefined,
  before: Record<string, string> | undefined,
): string[] {
  const names = new Set([...Object.keys(now ?? {}), ...Object.keys(before ?? {})]);
  return [...names].filter((name) => now?.[name] !== before?.[name] && isForbiddenLabel(name)).sort();
}

function isForbiddenLabel(label: string): boolean {
  const slash = label.indexOf('/');
  const domain = slash < 0 ? '' : label.slice(0, slash);
  const within = (parent: string) => domain === parent || domain.endsWith(`.${parent}`);
  if (within(RESTRICTED)) return true;
  if (!within('kubernetes.io') && !within('k8s.io')) return false;
  return !KUBELET_LABELS.has(label) && !KUBELET_DOMAINS.some(within);
}

function restrictClaim(node: string, attributes: AdmissionAttributes): void {
  if (attributes.subresource !== 'status') throw refuse(attributes, 'may only update PVC status');
  if (attributes.operation !== 'UPDATE') {
    throw refuse(attributes, `unexpected operation ${JSON.stringify(attributes.operation)}`);
  }
  const bare = (claim: PersistentVolumeClaim) => {
    const { resourceVersion: _version, managedFields: _fields, ...metadata } = claim.metadata ?? {};
    const {
      capacity: _capacity,
      conditions: _conditions,
      allocatedResources: _allocated,
      allocatedResourceStatuses: _statuses,
      ...status
    } = claim.status ?? {};
    return { ...claim, metadata, status };
  };
  if (sameJson(bare(objectOf(attributes)), bare(oldObjectOf(attributes)))) return;
  const who = `node ${JSON.stringify(node)}`;
  throw refuse(
    attributes,
    `${who} is not allowed to update fields other than status.quantity and status.conditions`,
  );
}

function restrictLease(node: string, attributes: AdmissionAttributes): void {
  if (attributes.namespace !== NODE_LEASES) {
    throw refuse(attributes, `can only access leases in the ${JSON.stringify(NODE_LEASES)} system namespace`);
  }
  checkOwnName(node, attributes, 'can only access node lease with the same name as the requesting node');
}

function checkOwnName(node: string, attributes: AdmissionAttributes, why: string): void {
  const name = attributes.operation === 'CREATE' ? attributes.object?.metadata?.name : attributes.name;
  if (name !== node) throw refuse(attributes, why);
}

function restrictSlice(node: string, attributes: AdmissionAttributes): void {
  const slice = attributes.operation === 'DELETE' ? attributes.oldObject : attributes.object;
  if (attributes.operation !== 'CREATE' && attributes.operation !== 'DELETE') return;
  if ((slice as ResourceSlice | undefined)?.spec?.nodeName === node) return;
  const verb = attributes.operation === 'CREATE' ? 'create' : 'delete';
  throw refuse(attributes, `can only ${verb} ResourceSlice with the same NodeName as the requesting node`);
}

/** A kubelet asks for certificates of its own identity alone. */
function restrictRequest(attributes: AdmissionAttributes): void {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== '') return;
  const csr = objectOf<CertificateSigningRequest>(attributes);
  const signers = ['kubernetes.io/kubelet-serving', 'kubernetes.io/kube-apiserver-client-kubelet'];
  if (!signers.includes(csr.spec?.signerName ?? '')) return;
  let commonName: string;
  try {
    const pem = Buffer.from(csr.spec.request ?? '', 'base64').toString('utf8');
    ({ commonName } = parseCertificateRequest(pem));
  } catch (error) {
    throw refuse(attributes, `unable to parse csr: ${messageOf(error)}`);
  }
  if (commonName === attributes.context.user.name) return;
  const why = `can only create a node CSR with CN=${attributes.context.user.name}`;
  throw refuse(attributes, why);
}
