import { CLUSTERROLEBINDINGS, CLUSTERROLES, SERVICES } from '../../api/gen/resources.ts';
import type { ClusterRole, ClusterRoleBinding, PolicyRule, Subject } from '../../api/gen/types/rbac-v1.ts';
import { controllerBindings } from './controller-bindings.ts';
import type { Wanted } from './ensure.ts';

const RBAC = 'rbac.authorization.k8s.io';
/** The group that a kubelet's bootstrap token belongs to. kubeadm's name, so that its tools find their way. */
export const BOOTSTRAPPERS = 'system:bootstrappers:kubeadm:default-node-token';

const group = (name: string): Subject => ({ apiGroup: RBAC, kind: 'Group', name });
const user = (name: string): Subject => ({ apiGroup: RBAC, kind: 'User', name });

function role(name: string, rules: PolicyRule[]): Wanted {
  const object: ClusterRole = { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata: { name }, rules };
  return { resource: CLUSTERROLES, object: object as Wanted['object'] };
}

function binding(name: string, roleName: string, subject: Subject): Wanted {
  const object: ClusterRoleBinding = {
    apiVersion: `${RBAC}/v1`,
    kind: 'ClusterRoleBinding',
    metadata: { name },
    roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: roleName },
    subjects: [subject],
  };
  return { resource: CLUSTERROLEBINDINGS, object: object as Wanted['object'] };
}

const watch = (apiGroup: string, ...resources: string[]): PolicyRule => ({
  apiGroups: [apiGroup],
  resources,
  verbs: ['get', 'list', 'watch'],
});
const events: PolicyRule = {
  apiGroups: ['', 'events.k8s.io'],
  resources: ['events'],
  verbs: ['create', 'patch', 'update'],
};

/** What a new cluster needs beyond upstream's own defaults. Mirrors kubeadm's bootstrap-token and addon phases. */
export function bootstrapObjects(options: { dnsAddress: string }): Wanted[] {
  return [
    binding('kubeadm:cluster-admins', 'cluster-admin', group('kubeadm:cluster-admins')),
    binding(
      'kubeadm:apiserver-kubelet-client',
      'system:kubelet-api-admin',
      user('kube-apiserver-kubelet-client'),
    ),
    role('kubeadm:get-nodes', [{ apiGroups: [''], resources: ['nodes'], verbs: ['get'] }]),
    binding('kubeadm:get-nodes', 'kubeadm:get-nodes', group(BOOTSTRAPPERS)),
    binding('kubeadm:kubelet-bootstrap', 'system:node-bootstrapper', group(BOOTSTRAPPERS)),
    binding(
      'kubeadm:node-autoapprove-bootstrap',
      'system:certificates.k8s.io:certificatesigningrequests:nodeclient',
      group(BOOTSTRAPPERS),
    ),
    binding(
      'kubeadm:node-autoapprove-certificate-rotation',
      'system:certificates.k8s.io:certificatesigningrequests:selfnodeclient',
      group('system:nodes'),
    ),
    // Upstream leaves the approval of serving certificates to a person; our approver checks each name and address.
    role('slipway:kubelet-serving-approver', [
      {
        apiGroups: ['certificates.k8s.io'],
        resources: ['signers'],
        resourceNames: ['kubernetes.io/kubelet-serving'],
        verbs: ['approve'],
      },
    ]),
    binding(
      'slipway:kubelet-serving-approver',
      'slipway:kubelet-serving-approver',
      user('system:kube-controller-manager'),
    ),
    role('slipway:dns', [
      watch('', 'services', 'namespaces', 'pods', 'nodes'),
      watch('discovery.k8s.io', 'endpointslices'),
      events,
    ]),
    binding('slipway:dns', 'slipway:dns', user('slipway:dns')),
    role('slipway:network', [
      watch('', 'nodes', 'pods', 'namespaces'),
      { apiGroups: [''], resources: ['nodes', 'nodes/status'], verbs: ['patch', 'update'] },
      watch('networking.k8s.io', 'networkpolicies'),
      events,
    ]),
    binding('slipway:network', 'slipway:network', user('slipway:network')),
    ...controllerBindings(),
    dnsService(options.dnsAddress),
  ];
}

/**
 * Every node answers the DNS address by itself, so the service proxy must leave this Service alone: that is what
 * the label says to it. There is nothing to select.
 */
function dnsService(clusterIP: string): Wanted {
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'kube-dns',
      namespace: 'kube-system',
      labels: {
        'k8s-app': 'kube-dns',
        'kubernetes.io/name': 'CoreDNS',
        'service.kubernetes.io/service-proxy-name': 'slipway-dns',
      },
    },
    spec: {
      clusterIP,
      ports: [
        { name: 'dns', port: 53, protocol: 'UDP' },
        { name: 'dns-tcp', port: 53, protocol: 'TCP' },
      ],
    },
  };
  return { resource: SERVICES, object };
}
