import test from 'ava';
import { createRows, defaultRows, updateRows } from './rows.ts';

const object = (apiVersion: string, kind: string, rest: object) => ({
  apiVersion,
  kind,
  metadata: { name: 'one', namespace: 'default' },
  ...rest,
});
const RBAC = 'rbac.authorization.k8s.io';

const role = createRows(
  `roles.${RBAC}`,
  object(`${RBAC}/v1`, 'Role', { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'] }] }),
);
test('a plain Role is valid', role, {});
test(
  'a rule has verbs',
  role,
  { 'rules[0].verbs': [] },
  'rules[0].verbs: Required value: verbs must contain at least one value',
);
test(
  'a rule has groups',
  role,
  { 'rules[0].apiGroups': [] },
  'rules[0].apiGroups: Required value: resource rules must supply at least one api group',
);
test(
  'a Role has no paths',
  role,
  { 'rules[0].nonResourceURLs': ['/a'] },
  'rules[0].nonResourceURLs: Invalid value: ["/a"]: namespaced rules cannot apply to non-resource URLs',
  'rules[0].nonResourceURLs: Invalid value: ["/a"]: rules cannot apply to both regular resources and non-resource URLs',
);
test('a name with a colon is fine', role, { 'metadata.name': 'system:x' });
test(
  'a name has no slash',
  role,
  { 'metadata.name': 'a/b' },
  'metadata.name: Invalid value: "a/b": may not contain \'/\'',
);
const BINDING = object(`${RBAC}/v1`, 'RoleBinding', {
  roleRef: { kind: 'Role', name: 'r' },
  subjects: [{ kind: 'User', name: 'u' }],
});
const binding = createRows(`rolebindings.${RBAC}`, BINDING);
test('a plain RoleBinding is valid', binding, {});
test(
  'a subject is one of three',
  binding,
  { 'subjects[0].kind': 'Robot', 'subjects[0].apiGroup': 'x' },
  'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
);
test('a binding names a role', binding, { 'roleRef.name': '' }, 'roleRef.name: Required value');
test(
  'a role reference stays',
  updateRows(`rolebindings.${RBAC}`, BINDING),
  {},
  { 'roleRef.name': 's' },
  `roleRef: Invalid value: {"kind":"Role","name":"s","apiGroup":"${RBAC}"}: cannot change roleRef`,
);
test(
  'a cluster binding needs a ClusterRole',
  createRows(`clusterrolebindings.${RBAC}`, { ...BINDING, kind: 'ClusterRoleBinding' }),
  {},
  'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
);

const budget = createRows(
  'poddisruptionbudgets.policy',
  object('policy/v1', 'PodDisruptionBudget', { spec: { minAvailable: 1, selector: {} } }),
);
test('a plain budget is valid', budget, {});
test(
  'a budget has one limit',
  budget,
  { 'spec.maxUnavailable': 1 },
  'spec: Invalid value: {"minAvailable":1,"selector":{},"maxUnavailable":1}: minAvailable and maxUnavailable cannot be both set',
);
test(
  'a limit is at most all',
  budget,
  { 'spec.minAvailable': '120%' },
  'spec.minAvailable: Invalid value: "120%": must not be greater than 100%',
);

const PRIORITY = object('scheduling.k8s.io/v1', 'PriorityClass', { value: 100 });
const priority = createRows('priorityclasses.scheduling.k8s.io', PRIORITY);
test('a plain PriorityClass is valid', priority, {});
test(
  "users' priorities end at a billion",
  priority,
  { value: 1_000_000_001 },
  'value: Forbidden: maximum allowed value of a user defined priority is 1000000000',
);
test(
  'system names are reserved',
  priority,
  { 'metadata.name': 'system-x' },
  "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. error: system-x is not a known system priority class",
);
test(
  'a value stays',
  updateRows('priorityclasses.scheduling.k8s.io', PRIORITY),
  {},
  { value: 1 },
  'value: Forbidden: may not be changed in an update.',
);

const lease = createRows(
  'leases.coordination.k8s.io',
  object('coordination.k8s.io/v1', 'Lease', { spec: { leaseDurationSeconds: 15 } }),
);
test('a plain Lease is valid', lease, {});
test(
  'a Lease lasts',
  lease,
  { 'spec.leaseDurationSeconds': 0 },
  'spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0',
);

const SLICE = object('discovery.k8s.io/v1', 'EndpointSlice', {
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.0.0.1'] }],
  ports: [{ port: 80 }],
});
const slice = createRows('endpointslices.discovery.k8s.io', SLICE);
test('a plain slice is valid', slice, {});
test(
  'a slice has a type',
  slice,
  { addressType: 'X' },
  'addressType: Unsupported value: "X": supported values: "FQDN", "IPv4", "IPv6"',
);
test(
  'an endpoint has an address',
  slice,
  { 'endpoints[0].addresses': [] },
  'endpoints[0].addresses: Required value: must contain at least 1 address',
);
test(
  'an address has the type of the slice',
  slice,
  { 'endpoints[0].addresses': ['2001:db8::1'] },
  'endpoints[0].addresses: Invalid value: "2001:db8::1": must be an IPv4 address',
);
test(
  'a type stays',
  updateRows('endpointslices.discovery.k8s.io', SLICE),
  {},
  { addressType: 'FQDN', endpoints: [] },
  'addressType: Invalid value: "FQDN": field is immutable',
);
test(
  'a port gets name and protocol',
  defaultRows('endpointslices.discovery.k8s.io', SLICE),
  {},
  { 'ports[0]': { port: 80, name: '', protocol: 'TCP' } },
);

const policy = createRows(
  'networkpolicies.networking.k8s.io',
  object('networking.k8s.io/v1', 'NetworkPolicy', { spec: { podSelector: {} } }),
);
test('a plain policy is valid', policy, {});
test(
  'a peer is something',
  policy,
  { 'spec.ingress': [{ from: [{}] }] },
  'spec.ingress[0].from[0]: Required value: must specify a peer',
);
test(
  'a block has no other peer',
  policy,
  { 'spec.ingress': [{ from: [{ podSelector: {}, ipBlock: { cidr: '10.0.0.0/8' } }] }] },
  'spec.ingress[0].from[0]: Forbidden: may not specify both ipBlock and another peer',
);
test(
  'an exception lies inside',
  policy,
  { 'spec.egress': [{ to: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['11.0.0.0/16'] } }] }] },
  'spec.egress[0].to[0].ipBlock.except[0]: Invalid value: "11.0.0.0/16": must be a strict subset of `cidr`',
);
test(
  'a range of ports goes up',
  policy,
  { 'spec.egress': [{ ports: [{ port: 80, endPort: 79 }] }] },
  'spec.egress[0].ports[0].endPort: Invalid value: 80: must be greater than or equal to `port`',
);
test(
  'a policy with egress has both types',
  defaultRows('networkpolicies.networking.k8s.io', object('networking.k8s.io/v1', 'NetworkPolicy', {})),
  { 'spec.egress': [{}] },
  { 'spec.policyTypes': ['Ingress', 'Egress'] },
);

const ingress = createRows(
  'ingresses.networking.k8s.io',
  object('networking.k8s.io/v1', 'Ingress', {
    spec: {
      rules: [
        {
          http: {
            paths: [
              { path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } },
            ],
          },
        },
      ],
    },
  }),
);
const PATH = 'spec.rules[0].http.paths[0]';
test('a plain Ingress is valid', ingress, {});
test(
  'an Ingress leads somewhere',
  ingress,
  { 'spec.rules': [] },
  'spec: Invalid value: []: either `defaultBackend` or `rules` must be specified',
);
test(
  'a path type is required',
  ingress,
  { [`${PATH}.pathType`]: undefined },
  `${PATH}.pathType: Required value: pathType must be specified`,
);
test(
  'a prefix is absolute',
  ingress,
  { [`${PATH}.path`]: 'a' },
  `${PATH}.path: Invalid value: "a": must be an absolute path`,
);
test(
  'a backend has a port',
  ingress,
  { [`${PATH}.backend.service.port`]: {} },
  `${PATH}.backend: Required value: port name or number is required`,
);
test(
  'a host is no address',
  ingress,
  { 'spec.rules[0].host': '10.0.0.1' },
  'spec.rules[0].host: Invalid value: "10.0.0.1": must be a DNS name, not an IP address',
);

const STORAGE = object('storage.k8s.io/v1', 'StorageClass', { provisioner: 'example.com/disk' });
const storage = createRows('storageclasses.storage.k8s.io', STORAGE);
test('a plain StorageClass is valid', storage, {});
test('a class has a provisioner', storage, { provisioner: '' }, 'provisioner: Required value');
test(
  'a provisioner stays',
  updateRows('storageclasses.storage.k8s.io', STORAGE),
  {},
  { provisioner: 'b.c/d' },
  'provisioner: Invalid value: "b.c/d": field is immutable',
);

const autoscaler = createRows(
  'horizontalpodautoscalers.autoscaling',
  object('autoscaling/v2', 'HorizontalPodAutoscaler', {
    spec: { maxReplicas: 3, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' } },
  }),
);
test('a plain autoscaler is valid', autoscaler, {});
test(
  'the most is not below the least',
  autoscaler,
  { 'spec.minReplicas': 5 },
  'spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`',
);

const csr = createRows(
  'certificatesigningrequests.certificates.k8s.io',
  object('certificates.k8s.io/v1', 'CertificateSigningRequest', {
    spec: { request: 'eA==', usages: ['client auth'], signerName: 'example.com/x' },
  }),
);
test(
  'a request is a CSR in PEM',
  csr,
  {},
  'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST',
);
test(
  'a request has usages and a signer',
  csr,
  { 'spec.usages': [], 'spec.signerName': 'x' },
  'spec.request: Invalid value: "eA==": PEM block type must be CERTIFICATE REQUEST',
  'spec.usages: Required value',
  `spec.signerName: Invalid value: "x": must be a fully qualified domain and path of the form 'example.com/signer-name'`,
);

const runtime = createRows(
  'runtimeclasses.node.k8s.io',
  object('node.k8s.io/v1', 'RuntimeClass', { handler: 'runc' }),
);
test('a plain RuntimeClass is valid', runtime, {});
test(
  'a handler is a label',
  runtime,
  { handler: 'a.b' },
  'handler: Invalid value: "a.b": must not contain dots',
);
