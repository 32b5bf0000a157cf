import { apiVersionOf } from '../../api/resource.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { JsonObject } from '../../api/objects.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';

/** Group, version and kind of what a request carries: for exec and scale not the kind of the resource. */
function kindOf({ object, oldObject, subresource, resource }: AdmissionAttributes): JsonObject {
  const carried = object ?? oldObject;
  const { group, version, kind } = resource;
  if (subresource === '' || !carried?.kind || carried.apiVersion === undefined)
    return { group, version, kind };
  const slash = carried.apiVersion.indexOf('/');
  return {
    group: slash < 0 ? '' : carried.apiVersion.slice(0, slash),
    version: carried.apiVersion.slice(slash + 1),
    kind: carried.kind,
  };
}

/** A request for a namespace is one in that namespace. */
function namespaceOf({ resource, name, namespace }: AdmissionAttributes): string {
  return resource.group === '' && resource.resource === 'namespaces' ? name : namespace;
}

/** `request` of expressions: an AdmissionRequest without uid and objects. */
export function admissionRequest(attributes: AdmissionAttributes, matched: ResourceInfo): JsonObject {
  const { resource, subresource, context } = attributes;
  const own = kindOf(attributes);
  const isSame = apiVersionOf(matched) === apiVersionOf(resource);
  const { user } = context;
  return {
    kind:
      isSame || subresource !== ''
        ? own
        : { group: matched.group, version: matched.version, kind: matched.kind },
    resource: { group: matched.group, version: matched.version, resource: matched.resource },
    ...(subresource === '' ? {} : { subResource: subresource, requestSubResource: subresource }),
    requestKind: own,
    requestResource: { group: resource.group, version: resource.version, resource: resource.resource },
    ...(attributes.name === '' ? {} : { name: attributes.name }),
    ...(namespaceOf(attributes) === '' ? {} : { namespace: namespaceOf(attributes) }),
    operation: attributes.operation,
    userInfo: {
      username: user.name,
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      groups: user.groups,
      extra: user.extra,
    },
    dryRun: context.dryRun,
    options: attributes.options ?? null,
  };
}

/** `namespaceObject`: what expressions may see of a namespace. */
export function visibleNamespace(namespace: KubeObject): KubeObject {
  const { managedFields: _managed, ownerReferences: _owners, ...metadata } = namespace.metadata ?? {};
  return { ...namespace, metadata };
}
