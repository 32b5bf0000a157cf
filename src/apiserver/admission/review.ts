import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { AdmissionAttributes } from '../admission-plugin.ts';
import { forbiddenRequest } from '../status-errors.ts';
import type { StatusError } from '../status-errors.ts';

/** A refusal in upstream's words; an object that has no name yet is called by what its name will begin with. */
export function refuse(attributes: AdmissionAttributes, why: string): StatusError {
  const metadata = attributes.object?.metadata;
  const name = attributes.name || metadata?.name || metadata?.generateName || 'Unknown';
  return forbiddenRequest(
    { group: attributes.resource.group, resource: attributes.resource.resource },
    name,
    why,
  );
}

/** Whether the operation is on this resource, and on this subresource ('' for the object itself). */
export function isOn(attributes: AdmissionAttributes, resource: ResourceInfo, subresource = ''): boolean {
  return (
    attributes.resource.resource === resource.resource &&
    attributes.resource.group === resource.group &&
    attributes.subresource === subresource
  );
}

/** The object under review as the kind that `isOn` has established; the caller knows it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function objectOf<T extends KubeObject>(attributes: AdmissionAttributes): T {
  return attributes.object as T;
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
export function oldObjectOf<T extends KubeObject>(attributes: AdmissionAttributes): T {
  return attributes.oldObject as T;
}
