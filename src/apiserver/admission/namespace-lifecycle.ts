import { NAMESPACES } from '../../api/gen/resources.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import { forbiddenRequest, notFound } from '../status-errors.ts';
import { isOn, refuse } from './review.ts';

/** Without these the cluster itself does not work. */
const IMMORTAL = ['default', 'kube-system', 'kube-public'];
const NAMESPACE_RESOURCE = { group: '', resource: 'namespaces' };

/**
 * Nothing is created where there is no namespace, or where it is going away.
 * Mirrors apiserver pkg/admission/plugin/namespace/lifecycle/admission.go.
 */
export const namespaceLifecycle: AdmissionPlugin = {
  name: 'NamespaceLifecycle',
  handles: ({ operation }) => operation !== 'CONNECT',
  async admit(attributes, store) {
    const { operation, namespace, name, resource } = attributes;
    if (isOn(attributes, NAMESPACES)) {
      if (operation === 'DELETE' && IMMORTAL.includes(name)) {
        throw forbiddenRequest(NAMESPACE_RESOURCE, name, 'this namespace may not be deleted');
      }
      return;
    }
    if (namespace === '' || operation === 'DELETE' || resource.resource === 'namespaces') return;
    // A review asks about a namespace and puts nothing into it.
    if (resource.group === 'authorization.k8s.io') return;
    const found = (await store.get(NAMESPACES, namespace)) ?? (await store.getFresh(NAMESPACES, namespace));
    if (!found) throw notFound(NAMESPACE_RESOURCE, namespace);
    if (operation !== 'CREATE' || found.status?.phase !== 'Terminating') return;
    const why = `unable to create new content in namespace ${namespace} because it is being terminated`;
    const error = refuse(attributes, why);
    const cause = {
      reason: 'NamespaceTerminating',
      message: `namespace ${namespace} is being terminated`,
      field: 'metadata.namespace',
    };
    error.status.details = { ...error.status.details, causes: [cause] };
    throw error;
  },
};
