import type { PolicyRule } from '../../api/gen/types/rbac-v1.ts';
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../authorization.ts';
import { jsonQuote } from '../json-quote.ts';
import type { UserInfo } from '../request-context.ts';
import { COMPONENT_RULES } from './default-roles/components.ts';
import { parseRules } from './default-roles/rule-table.ts';
import type { GraphKind, NodeGraph } from './node-graph.ts';
import { nodeIdentity } from './node-identity.ts';
import { ruleMatchesPath, ruleMatchesResource } from './policy-rule.ts';

const NODE_LEASES = 'kube-node-lease';
const ALLOW: AuthorizationDecision = { decision: 'allow', reason: '' };
const no = (reason = ''): AuthorizationDecision => ({ decision: 'noOpinion', reason });

/**
 * What a kubelet may do as `system:node:<name>`: its own Node, lease and pods, and of secrets, config maps,
 * claims, volumes and service accounts those alone that its pods refer to. NodeRestriction admission checks
 * the objects themselves. Mirrors plugin/pkg/auth/authorizer/node/node_authorizer.go.
 */
export class NodeAuthorizer implements Authorizer {
  readonly #graph: NodeGraph;
  readonly #rules: readonly PolicyRule[] = parseRules(COMPONENT_RULES['system:node'] ?? '');

  constructor(graph: NodeGraph) {
    this.#graph = graph;
  }

  authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
    return Promise.resolve(this.decide(attributes));
  }

  rulesFor(user: UserInfo) {
    if (nodeIdentity(user) === undefined) return Promise.resolve({ rules: [], incomplete: false });
    const evaluationError = 'node authorizer does not support user rule resolution';
    return Promise.resolve({ rules: [], incomplete: true, evaluationError });
  }

  decide(attributes: AuthorizationAttributes): AuthorizationDecision {
    const node = nodeIdentity(attributes.user);
    if (node === undefined) return no();
    if (node === '') return no(`unknown node for user ${jsonQuote(attributes.user.name)}`);
    if (attributes.isResourceRequest) {
      const special = this.#subdivided(node, attributes);
      if (special) return special;
    }
    const { verb, group, resource, subresource, path } = attributes;
    const allowed = this.#rules.some((rule) =>
      attributes.isResourceRequest
        ? ruleMatchesResource(rule, verb, group, resource, subresource) &&
          (!rule.resourceNames?.length || rule.resourceNames.includes(attributes.name))
        : ruleMatchesPath(rule, verb, path),
    );
    return allowed ? ALLOW : no();
  }

  /** The answer for a resource that is not the same for all nodes, or undefined for others. */
  #subdivided(node: string, attributes: AuthorizationAttributes): AuthorizationDecision | undefined {
    const { group, resource } = attributes;
    switch (group === '' ? resource : `${resource}.${group}`) {
      case 'secrets':
      case 'configmaps':
        return this.#readOne(node, attributes);
      case 'persistentvolumeclaims':
        if (attributes.subresource !== 'status') return this.#get(node, attributes);
        if (attributes.verb !== 'update' && attributes.verb !== 'patch') {
          return no('can only get/update/patch this type');
        }
        return this.#related(node, attributes);
      case 'persistentvolumes':
      case 'volumeattachments.storage.k8s.io':
      case 'resourceclaims.resource.k8s.io':
        return this.#get(node, attributes);
      case 'serviceaccounts':
        return this.#serviceAccount(node, attributes);
      case 'leases.coordination.k8s.io':
        return ownLease(node, attributes);
      case 'csinodes.storage.k8s.io':
        return ownCsiNode(node, attributes);
      case 'resourceslices.resource.k8s.io':
        return resourceSlice(node, attributes);
      case 'nodes':
        return ownNode(node, attributes);
      case 'pods':
        return this.#pod(node, attributes);
      case 'podcertificaterequests.certificates.k8s.io':
        return no(`nodes may not ${attributes.verb} podcertificaterequests`);
      default:
        return undefined;
    }
  }

  #related(node: string, { resource, namespace, name }: AuthorizationAttributes): AuthorizationDecision {
    if (name === '') return no('No Object name found');
    let found = false;
    if (resource === 'persistentvolumes') found = this.#graph.needsVolume(node, name);
    else if (resource === 'volumeattachments') found = this.#graph.needsAttachment(node, name);
    else found = this.#graph.needs(node, resource as GraphKind, namespace, name);
    return found ? ALLOW : no(`no relationship found between node '${node}' and this object`);
  }

  #get(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    if (attributes.verb !== 'get') return no('can only get individual resources of this type');
    if (attributes.subresource !== '') return no('cannot get subresource');
    return this.#related(node, attributes);
  }

  #readOne(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    if (!['get', 'list', 'watch'].includes(attributes.verb)) {
      return no('can only read resources of this type');
    }
    if (attributes.subresource !== '') return no('cannot read subresource');
    if (attributes.namespace === '') return no('can only read namespaced object of this type');
    return this.#related(node, attributes);
  }

  #serviceAccount(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    if (attributes.verb === 'get' && attributes.subresource === '') {
      return this.#readOne(node, attributes);
    }
    if (attributes.verb !== 'create' || attributes.name === '') {
      return no('can only create tokens for individual service accounts');
    }
    if (attributes.subresource !== 'token') return no('can only create token subresource of serviceaccount');
    return this.#related(node, attributes);
  }

  #pod(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
    const { subresource, verb } = attributes;
    if (subresource === '') {
      if (verb === 'get') return this.#get(node, attributes);
      if (verb === 'list' || verb === 'watch') {
        if (selects(attributes.fieldSelector, 'spec.nodeName', node)) return ALLOW;
        if (attributes.name !== '') return this.#related(node, attributes);
        return no('can only list/watch pods with spec.nodeName field selector');
      }
      return verb === 'create' || verb === 'delete' ? ALLOW : no();
    }
    if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOW : no();
    if (subresource === 'eviction') return verb === 'create' ? ALLOW : no();
    return no();
  }
}

function ownLease(node: string, { verb, namespace, name }: AuthorizationAttributes): AuthorizationDecision {
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return no('can only get, create, update, patch, or delete a node lease');
  }
  if (namespace !== NODE_LEASES) {
    return no(`can only access leases in the ${jsonQuote(NODE_LEASES)} system namespace`);
  }
  // A create carries its name in the body alone: NodeRestriction reads it there.
  if (verb !== 'create' && name !== node) {
    return no('can only access node lease with the same name as the requesting node');
  }
  return ALLOW;
}

function ownCsiNode(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
  const { verb, subresource, name } = attributes;
  if (!['get', 'create', 'update', 'patch', 'delete'].includes(verb)) {
    return no('can only get, create, update, patch, or delete a CSINode');
  }
  if (subresource !== '') return no('cannot authorize CSINode subresources');
  if (verb !== 'create' && name !== node) {
    return no('can only access CSINode with the same name as the requesting node');
  }
  return ALLOW;
}

function resourceSlice(node: string, attributes: AuthorizationAttributes): AuthorizationDecision {
  if (attributes.subresource !== '') return no('cannot authorize ResourceSlice subresources');
  if (attributes.verb === 'create') return ALLOW;
  if (['watch', 'list', 'deletecollection'].includes(attributes.verb)) {
    if (selects(attributes.fieldSelector, 'spec.nodeName', node)) return ALLOW;
    return no('can only list/watch/deletecollection resourceslices with nodeName field selector');
  }
  return no(`no relationship found between node '${node}' and this object`);
}

function ownNode(node: string, { verb, subresource, name }: AuthorizationAttributes): AuthorizationDecision {
  if (subresource === 'status') return verb === 'update' || verb === 'patch' ? ALLOW : no();
  if (subresource !== '') return no();
  if (verb === 'create' || verb === 'update' || verb === 'patch') return ALLOW;
  if (verb !== 'get' && verb !== 'list' && verb !== 'watch') return no();
  if (name === node) return ALLOW;
  if (name === '') return no(`node '${node}' cannot read all nodes, only its own Node object`);
  return no(`node '${node}' cannot read '${name}', only its own Node object`);
}

/** Whether a field selector demands that the field equals the value. */
function selects(selector: string | undefined, field: string, value: string): boolean {
  return (selector ?? '').split(',').some((term) => {
    const [name, wanted] = term.split(/==?/);
    return !term.includes('!=') && name === field && wanted === value;
  });
}
