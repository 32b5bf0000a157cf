import { NODES, PODS, SECRETS } from '../../../api/gen/resources.ts';
import type { TokenRequest, TokenRequestSpec } from '../../../api/gen/types/authentication-v1.ts';
import type { ServiceAccount } from '../../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import type { TokenBinding } from '../../authn/token-issuer.ts';
import { invalid } from '../../field-error.ts';
import type { ObjectStore } from '../../object-store.ts';
import type { ActionRequest, ActionSubresource } from '../../resource-definition.ts';
import { badRequest, conflict, invalidObject, methodNotAllowed, notFound } from '../../status-errors.ts';
import type { ResourceEnvironment } from '../environment.ts';
import type { Errors } from '../validation/checks.ts';

const DEFAULT_SECONDS = 3600;
const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;

/** serviceaccounts/token. Mirrors pkg/registry/core/serviceaccount/storage/token.go. */
export function tokenRequest(environment: ResourceEnvironment): ActionSubresource<ServiceAccount> {
  return {
    type: 'action',
    name: 'token',
    verbs: ['create'],
    kind: { group: 'authentication.k8s.io', version: 'v1', kind: 'TokenRequest' },
    handle: (request) => issueToken(environment, request),
  };
}

async function issueToken(environment: ResourceEnvironment, request: ActionRequest<ServiceAccount>) {
  const { namespace, name, context, store } = request;
  const { tokens } = environment;
  if (!tokens) throw methodNotAllowed();
  const account = await request.parent();
  // Admission sees what was asked for: a node may only ask for what its pods mount.
  const asked = (await request.admit(request.body ?? {})) as TokenRequest;
  const admitted = defaulted(asked, environment);
  checkIdentity(admitted, namespace, name);
  validate(admitted, name);
  const { spec } = admitted;
  const binding = await bindingOf(admitted, namespace, name, store);
  const expirationSeconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  const issued = tokens.issue({
    namespace,
    serviceAccount: { name, uid: account.metadata?.uid ?? '' },
    audiences: spec.audiences ?? [],
    expirationSeconds,
    binding,
  });
  const object = {
    ...admitted,
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenRequest',
    metadata: { name, namespace, creationTimestamp: rfc3339(context.clock.now()) },
    status: {
      // A trial gets no token that would work.
      token: context.dryRun ? '' : issued.token,
      expirationTimestamp: rfc3339(issued.expiresAt * 1000),
    },
  };
  return { object, status: 201 };
}

/** A request whose spec has been filled in. */
type Request = TokenRequest & { spec: TokenRequestSpec };

function defaulted(request: TokenRequest, environment: ResourceEnvironment): Request {
  const { spec } = request;
  const audiences = spec?.audiences?.length ? spec.audiences : [...environment.apiAudiences];
  return {
    ...request,
    spec: { ...spec, audiences, expirationSeconds: spec?.expirationSeconds ?? DEFAULT_SECONDS },
  };
}

const KIND = { group: 'authentication.k8s.io', kind: 'TokenRequest' };

function checkIdentity({ metadata }: TokenRequest, namespace: string, name: string): void {
  if (metadata?.name && metadata.name !== name) {
    const why = 'must match the service account name if specified';
    throw invalidObject(KIND, name, [invalid('metadata.name', metadata.name, why)]);
  }
  if (metadata?.namespace && metadata.namespace !== namespace) {
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
  }
}

/** Mirrors pkg/apis/authentication/validation/validation.go. */
function validate({ spec }: Request, name: string): void {
  const errors: Errors = [];
  const seconds = spec.expirationSeconds ?? DEFAULT_SECONDS;
  if (seconds < MIN_SECONDS) {
    errors.push(
      invalid('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes'),
    );
  }
  if (seconds > MAX_SECONDS) {
    const why = 'may not specify a duration larger than 2^32 seconds';
    errors.push(invalid('spec.expirationSeconds', seconds, why));
  }
  if (errors.length > 0) {
    throw invalidObject({ group: 'authentication.k8s.io', kind: 'TokenRequest' }, name, errors);
  }
}

async function bindingOf(
  { spec }: Request,
  namespace: string,
  account: string,
  store: ObjectStore,
): Promise<TokenBinding> {
  const ref = spec.boundObjectRef;
  if (!ref) return {};
  const name = ref.name ?? '';
  const check = (uid: string | undefined, resource: string) => {
    if (!ref.uid || ref.uid === uid) return;
    const why =
      `the UID in the bound object reference (${ref.uid}) does not match the UID in record. ` +
      'The object might have been deleted and then recreated';
    throw conflict({ group: '', resource }, name, why);
  };
  const kind = `${ref.kind}.${ref.apiVersion}`;
  if (kind === 'Pod.v1') {
    const pod = await store.getFresh(PODS, name, namespace);
    if (!pod) throw notFound({ group: '', resource: 'pods' }, name);
    if (pod.spec?.serviceAccountName !== account) {
      throw badRequest(
        `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
      );
    }
    check(pod.metadata?.uid, 'pods');
    const nodeName = pod.spec.nodeName;
    const node = nodeName ? await store.get(NODES, nodeName) : undefined;
    const binding: TokenBinding = { pod: { name, uid: pod.metadata?.uid ?? '' } };
    if (nodeName) {
      binding.node = node?.metadata?.uid ? { name: nodeName, uid: node.metadata.uid } : { name: nodeName };
    }
    return binding;
  }
  if (kind === 'Node.v1') {
    const node = await store.getFresh(NODES, name);
    if (!node) throw notFound({ group: '', resource: 'nodes' }, name);
    check(node.metadata?.uid, 'nodes');
    return { node: { name, uid: node.metadata?.uid ?? '' } };
  }
  if (kind === 'Secret.v1') {
    const secret = await store.getFresh(SECRETS, name, namespace);
    if (!secret) throw notFound({ group: '', resource: 'secrets' }, name);
    check(secret.metadata?.uid, 'secrets');
    return { secret: { name, uid: secret.metadata?.uid ?? '' } };
  }
  const { apiVersion = '', kind: asked = '' } = ref;
  const type = apiVersion.includes('/') ? apiVersion : `/${apiVersion}`;
  throw badRequest(`cannot bind token to object of type ${type}, Kind=${asked}`);
}
