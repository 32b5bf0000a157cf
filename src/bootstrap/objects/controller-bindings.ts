import { CLUSTERROLEBINDINGS, ROLEBINDINGS } from '../../api/gen/resources.ts';
import type { ClusterRoleBinding, RoleBinding } from '../../api/gen/types/rbac-v1.ts';
import type { Wanted } from './ensure.ts';

const RBAC = 'rbac.authorization.k8s.io';

/** The names of upstream's roles for the controllers that ours has. */
const CONTROLLERS = [
  'certificate-controller',
  'clusterrole-aggregation-controller',
  'daemon-set-controller',
  'deployment-controller',
  'disruption-controller',
  'endpoint-controller',
  'endpointslice-controller',
  'generic-garbage-collector',
  'job-controller',
  'namespace-controller',
  'node-controller',
  'pod-garbage-collector',
  'replicaset-controller',
  'replication-controller',
  'resourcequota-controller',
  'root-ca-cert-publisher',
  'service-account-controller',
  'statefulset-controller',
  'ttl-after-finished-controller',
];

/** Roles in kube-system of controllers that look after bootstrap tokens. */
const TOKEN_CONTROLLERS = ['bootstrap-signer', 'token-cleaner'];

/**
 * Upstream's default bindings give each controller's role to a service account of its own. Our controllers
 * all speak as the user of the controller manager, so that user is given exactly the roles of those that
 * run. Upstream asks for the same where --use-service-account-credentials is off.
 */
export function controllerBindings(): Wanted[] {
  const subjects = [{ apiGroup: RBAC, kind: 'User', name: 'system:kube-controller-manager' }];
  return [
    ...CONTROLLERS.map((controller) => {
      const object: ClusterRoleBinding = {
        apiVersion: `${RBAC}/v1`,
        kind: 'ClusterRoleBinding',
        metadata: { name: `slipway:controller-manager:${controller}` },
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: `system:controller:${controller}` },
        subjects,
      };
      return { resource: CLUSTERROLEBINDINGS, object: object as Wanted['object'] };
    }),
    ...TOKEN_CONTROLLERS.map((controller) => {
      const object: RoleBinding = {
        apiVersion: `${RBAC}/v1`,
        kind: 'RoleBinding',
        metadata: { name: `slipway:controller-manager:${controller}`, namespace: 'kube-system' },
        roleRef: { apiGroup: RBAC, kind: 'Role', name: `system:controller:${controller}` },
        subjects,
      };
      return { resource: ROLEBINDINGS, object: object as Wanted['object'] };
    }),
  ];
}
