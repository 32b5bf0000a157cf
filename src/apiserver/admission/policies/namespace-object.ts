import type { KubeObject } from '../../../api/resource.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import { visibleNamespace } from '../../cel/admission-request.ts';
import type { ObjectStore } from '../../object-store.ts';
import { namespaceOf } from '../match-resources.ts';

/** `namespaceObject`: null for what is in no namespace, and for namespaces themselves. */
export async function namespaceForExpressions(
  { resource, namespace }: AdmissionAttributes,
  store: ObjectStore,
): Promise<KubeObject | null> {
  const isNamespace = resource.group === '' && resource.resource === 'namespaces';
  if (namespace === '' || isNamespace) return null;
  return visibleNamespace(await namespaceOf(namespace, store));
}
