import { NODES, PODS } from '../../api/gen/resources.ts';
import type { TokenRequest } from '../../api/gen/types/authentication-v1.ts';
import type { Pod, PodSpec } from '../../api/gen/types/core-v1.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import type { ObjectStore } from '../object-store.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { notFound } from '../status-errors.ts';
import { objectOf, oldObjectOf, refuse } from './review.ts';

const MIRROR = 'kubernetes.io/config.mirror';
const PODS_RESOURCE = { group: '', resource: 'pods' };

/** What a kubelet may do with pods: mirror, delete, report and evict its own. */
export async function restrictPod(
  node: string,
  attributes: AdmissionAttributes,
  store: ObjectStore,
): Promise<void> {
  const who = `node ${JSON.stringify(node)}`;
  switch (attributes.subresource) {
    case '':
      if (attributes.operation === 'CREATE') await checkMirrorPod(node, attributes, store);
      else if (attributes.operation === 'DELETE') {
        const pod = await podOf(attributes, store);
        if (pod.spec?.nodeName !== node) {
          throw refuse(attributes, `${who} can only delete pods with spec.nodeName set to itself`);
        }
      } else {
        const operation = JSON.stringify(attributes.operation);
        throw refuse(
          attributes,
          `unexpected operation ${operation}, ${who} can only create and delete mirror pods`,
        );
      }
      return;
    case 'status':
      checkStatus(who, node, attributes);
      return;
    case 'eviction': {
      const pod = await podOf(attributes, store);
      if (pod.spec?.nodeName === node) return;
      throw refuse(attributes, `node ${node} can only evict pods with spec.nodeName set to itself`);
    }
    default: {
      const what = JSON.stringify(attributes.subresource);
      throw refuse(
        attributes,
        `unexpected pod subresource ${what}, only 'status' and 'eviction' are allowed`,
      );
    }
  }
}

async function podOf(attributes: AdmissionAttributes, store: ObjectStore): Promise<Pod> {
  const name = attributes.name || attributes.object?.metadata?.name || '';
  const pod = await store.get(PODS, name, attributes.namespace);
  if (!pod) throw notFound(PODS_RESOURCE, name);
  return pod;
}

function checkStatus(who: string, node: string, attributes: AdmissionAttributes): void {
  if (attributes.operation !== 'UPDATE') {
    throw refuse(attributes, `unexpected operation ${JSON.stringify(attributes.operation)}`);
  }
  const pod = objectOf<Pod>(attributes);
  const old = oldObjectOf<Pod>(attributes);
  if (old.spec?.nodeName !== node) {
    throw refuse(attributes, `${who} can only update pod status for pods with spec.nodeName set to itself`);
  }
  if (!sameJson(pod.metadata?.labels, old.metadata?.labels)) {
    throw refuse(attributes, `${who} cannot update labels through pod status`);
  }
  if (!sameJson(pod.status?.resourceClaimStatuses, old.status?.resourceClaimStatuses)) {
    throw refuse(attributes, `${who} cannot update resource claim statues`);
  }
}

async function checkMirrorPod(
  node: string,
  attributes: AdmissionAttributes,
  store: ObjectStore,
): Promise<void> {
  const pod = objectOf<Pod>(attributes);
  const who = `node ${JSON.stringify(node)}`;
  if (pod.metadata?.annotations?.[MIRROR] === undefined) {
    const why = `pod does not have ${JSON.stringify(MIRROR)} annotation, ${who} can only create mirror pods`;
    throw refuse(attributes, why);
  }
  if (pod.spec?.nodeName !== node) {
    throw refuse(attributes, `${who} can only create pods with spec.nodeName set to itself`);
  }
  const owners = pod.metadata.ownerReferences ?? [];
  const [owner] = owners;
  if (owners.length > 1) {
    throw refuse(attributes, `${who} can only create pods with a single owner reference set to itself`);
  }
  if (!owner || owner.apiVersion !== 'v1' || owner.kind !== 'Node' || owner.name !== node) {
    throw refuse(attributes, `${who} can only create pods with an owner reference set to itself`);
  }
  if (!owner.controller) {
    throw refuse(attributes, `${who} can only create pods with a controller owner reference set to itself`);
  }
  if (owner.blockOwnerDeletion) {
    throw refuse(attributes, `${who} must not set blockOwnerDeletion on an owner reference`);
  }
  const own = await store.get(NODES, node);
  if (!own) throw notFound({ group: '', resource: 'nodes' }, node);
  if (owner.uid !== own.metadata?.uid) {
    throw refuse(attributes, `node ${node} UID mismatch: expected ${owner.uid} got ${own.metadata?.uid}`);
  }
  const reference = referencedKind(pod.spec);
  if (reference !== undefined) {
    throw refuse(attributes, `${who} can not create pods that reference ${reference}`);
  }
}

/** The first kind of API object that a pod's spec names. */
function referencedKind(spec: PodSpec): string | undefined {
  const containers = [...(spec.initContainers ?? []), ...(spec.containers ?? [])];
  const env = (kind: 'configMapKeyRef' | 'secretKeyRef', from: 'configMapRef' | 'secretRef') =>
    containers.some(
      (one) =>
        one.env?.some((variable) => variable.valueFrom?.[kind]) ||
        one.envFrom?.some((source) => source[from]),
    );
  const volumes = spec.volumes ?? [];
  const projected = (kind: 'clusterTrustBundle' | 'configMap' | 'secret' | 'serviceAccountToken') =>
    volumes.some((volume) => volume.projected?.sources?.some((source) => source[kind]));
  if (spec.serviceAccountName) return 'serviceaccounts';
  if (spec.imagePullSecrets?.length || env('secretKeyRef', 'secretRef')) return 'secrets';
  if (volumes.some((volume) => volume.secret) || projected('secret')) return 'secrets';
  if (env('configMapKeyRef', 'configMapRef')) return 'configmaps';
  if (volumes.some((volume) => volume.configMap) || projected('configMap')) return 'configmaps';
  if (projected('serviceAccountToken')) return 'serviceaccounts';
  if (projected('clusterTrustBundle')) return 'clustertrustbundles';
  if (volumes.some((volume) => volume.persistentVolumeClaim ?? volume.ephemeral))
    return 'persistentvolumeclaims';
  if (spec.resourceClaims?.length) return 'resourceclaims';
  return undefined;
}

/** Tokens for a pod on the node, and for nobody else. */
export async function restrictToken(
  node: string,
  attributes: AdmissionAttributes,
  store: ObjectStore,
  authorizer: Authorizer,
): Promise<void> {
  if (attributes.operation !== 'CREATE' || attributes.subresource !== 'token') return;
  const request = objectOf<TokenRequest>(attributes);
  const ref = request.spec?.boundObjectRef;
  if (!ref || ref.apiVersion !== 'v1' || ref.kind !== 'Pod' || !ref.name) {
    throw refuse(attributes, 'node requested token not bound to a pod');
  }
  if (!ref.uid) throw refuse(attributes, 'node requested token with a pod binding without a uid');
  const pod = await store.get(PODS, ref.name, attributes.namespace);
  if (!pod) throw notFound(PODS_RESOURCE, ref.name);
  if (ref.uid !== pod.metadata?.uid) {
    throw refuse(
      attributes,
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. ` +
        'The object might have been deleted and then recreated',
    );
  }
  if (pod.spec?.nodeName !== node) {
    throw refuse(attributes, 'node requested token bound to a pod scheduled on a different node');
  }
  await checkAudience(attributes, request.spec?.audiences ?? [], pod, authorizer);
}

/** An audience must be one that a volume of the pod asks for, or that the node may ask for by a rule. */
async function checkAudience(
  attributes: AdmissionAttributes,
  audiences: readonly string[],
  pod: Pod,
  authorizer: Authorizer,
): Promise<void> {
  if (audiences.length > 1) throw refuse(attributes, 'node may only request 0 or 1 audiences');
  const audience = audiences[0] ?? '';
  const mounted = (pod.spec?.volumes ?? []).some((volume) =>
    volume.projected?.sources?.some(
      ({ serviceAccountToken: token }) => token !== undefined && (token.audience ?? '') === audience,
    ),
  );
  if (mounted) return;
  const { user } = attributes.context;
  const answer = await authorizer.authorize({
    user,
    verb: 'request-serviceaccounts-token-audience',
    isResourceRequest: true,
    group: '',
    version: 'v1',
    resource: audience,
    subresource: '',
    namespace: attributes.namespace,
    name: attributes.name,
    path: '',
  });
  if (answer.decision === 'allow') return;
  throw refuse(
    attributes,
    `audience ${JSON.stringify(audience)} not found in pod spec volume, ${user.name} is not authorized to request tokens for this audience`,
  );
}
