import test from 'ava';
import { createRows, defaultRows, updateRows } from './rows.ts';

const object = (apiVersion: string, kind: string, rest: object) => ({
  apiVersion,
  kind,
  metadata: { name: 'one', namespace: 'default' },
  ...rest,
});

const SERVICE = object('v1', 'Service', { spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } });
const service = createRows('services', SERVICE);
test('a plain Service is valid', service, {});
test('a Service needs ports', service, { 'spec.ports': [] }, 'spec.ports: Required value');
test('a headless Service needs none', service, { 'spec.ports': [], 'spec.clusterIP': 'None' });
test(
  'of several ports each has a name',
  service,
  { 'spec.ports': [{ port: 80 }, { port: 81, name: 'b' }] },
  'spec.ports[0].name: Required value',
);
test(
  'port names are unique',
  service,
  {
    'spec.ports': [
      { port: 80, name: 'a' },
      { port: 81, name: 'a' },
    ],
  },
  'spec.ports[1].name: Duplicate value: "a"',
);
test(
  'a port is in range',
  service,
  { 'spec.ports': [{ port: 0 }] },
  'spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive',
  'spec.ports[0].targetPort: Invalid value: 0: must be between 1 and 65535, inclusive',
);
test(
  'a ClusterIP Service has no node port',
  service,
  { 'spec.ports[0].nodePort': 30000 },
  "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
);
test(
  'a type is one of four',
  service,
  { 'spec.type': 'Magic' },
  'spec.type: Unsupported value: "Magic": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
);
test(
  'ExternalName needs a name',
  service,
  { 'spec.type': 'ExternalName' },
  'spec.externalName: Required value',
);
test(
  'ExternalName has no cluster IP',
  service,
  { 'spec.type': 'ExternalName', 'spec.externalName': 'a.b', 'spec.clusterIP': '10.96.0.9' },
  'spec.clusterIPs: Forbidden: may not be set for ExternalName services',
);
test(
  'a headless Service is no NodePort',
  service,
  { 'spec.type': 'NodePort', 'spec.clusterIP': 'None' },
  'spec.clusterIPs[0]: Invalid value: "None": may not be set to \'None\' for NodePort services',
);
test(
  'an affinity is one of two',
  service,
  { 'spec.sessionAffinity': 'X' },
  'spec.sessionAffinity: Unsupported value: "X": supported values: "ClientIP", "None"',
);
test(
  'an affinity lasts a day at most',
  service,
  {
    'spec.sessionAffinity': 'ClientIP',
    'spec.sessionAffinityConfig': { clientIP: { timeoutSeconds: 90000 } },
  },
  'spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 90000: must be greater than 0 and less than 86400',
);
test(
  'a cluster IP is an address',
  service,
  { 'spec.clusterIP': 'x' },
  'spec.clusterIPs[0]: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
);
test(
  'an external IP is not loopback',
  service,
  { 'spec.externalIPs': ['127.0.0.1'] },
  'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
);
test(
  'a single-stack cluster has no dual-stack services',
  service,
  { 'spec.ipFamilyPolicy': 'RequireDualStack' },
  'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services',
);
test(
  'a family is configured',
  service,
  { 'spec.ipFamilies': ['IPv6'] },
  'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
);
test(
  'an external policy is for external services',
  service,
  { 'spec.externalTrafficPolicy': 'Local' },
  'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services',
);
test(
  'a Service name is a label',
  service,
  { 'metadata.name': 'a.b' },
  'metadata.name: Invalid value: "a.b": must not contain dots',
);
const serviceUpdate = updateRows('services', SERVICE);
const HELD = { 'spec.clusterIP': '10.96.0.9', 'spec.clusterIPs': ['10.96.0.9'] };
test('a cluster IP that is left out stays', serviceUpdate, HELD, {
  'spec.clusterIP': undefined,
  'spec.clusterIPs': undefined,
});
test(
  'a cluster IP may not change',
  serviceUpdate,
  HELD,
  { 'spec.clusterIP': '10.96.0.8', 'spec.clusterIPs': ['10.96.0.8'] },
  'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set',
);
test('a Service may become an ExternalName', serviceUpdate, HELD, {
  'spec.type': 'ExternalName',
  'spec.externalName': 'a.b',
});
const serviceDefaults = defaultRows('services', SERVICE);
test(
  'a Service gets its defaults',
  serviceDefaults,
  {},
  {
    'spec.type': 'ClusterIP',
    'spec.sessionAffinity': 'None',
    'spec.ports[0].protocol': 'TCP',
    'spec.ports[0].targetPort': 80,
    'spec.internalTrafficPolicy': 'Cluster',
  },
);
test(
  'a NodePort Service has an external policy',
  serviceDefaults,
  { 'spec.type': 'NodePort' },
  { 'spec.externalTrafficPolicy': 'Cluster' },
);

const SECRET = object('v1', 'Secret', { data: { a: 'Yg==' } });
const secret = createRows('secrets', SECRET);
test('a plain Secret is valid', secret, {});
test(
  'a key has only some characters',
  secret,
  { data: { 'a b': '' } },
  "data[a b]: Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
);
test(
  'a TLS secret has both parts',
  secret,
  { type: 'kubernetes.io/tls' },
  'data[tls.crt]: Required value',
  'data[tls.key]: Required value',
);
test(
  'a basic-auth secret has one of two',
  secret,
  { type: 'kubernetes.io/basic-auth' },
  'data[username]: Required value',
  'data[password]: Required value',
);
test(
  'a dockerconfigjson is JSON',
  secret,
  { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'eA==' } },
  'data[.dockerconfigjson]: Invalid value: "<secret contents redacted>": invalid character \'x\' looking for beginning of value',
);
test(
  'a token secret names its account',
  secret,
  { type: 'kubernetes.io/service-account-token' },
  'metadata.annotations[kubernetes.io/service-account.name]: Required value',
);
test(
  'a Secret has at most one MiB',
  secret,
  { 'data.big': 'A'.repeat(1_400_000) },
  'data: Too long: may not be more than 1048576 bytes',
);
const secretUpdate = updateRows('secrets', SECRET);
test(
  "a Secret's type stays",
  secretUpdate,
  {},
  { type: 'x/y' },
  'type: Invalid value: "x/y": field is immutable',
);
test(
  'an immutable Secret stays',
  secretUpdate,
  { immutable: true },
  { 'data.a': 'Yw==' },
  'data: Forbidden: field is immutable when `immutable` is set',
);
test(
  'an immutable Secret stays immutable',
  secretUpdate,
  { immutable: true },
  { immutable: false },
  'immutable: Forbidden: field is immutable when `immutable` is set',
);
test(
  'stringData becomes data',
  defaultRows('secrets', SECRET),
  { stringData: { b: 'c' } },
  { 'data.b': 'Yw==', stringData: undefined, type: 'Opaque' },
);

const CONFIG = object('v1', 'ConfigMap', { data: { a: 'b' } });
const config = createRows('configmaps', CONFIG);
test('a plain ConfigMap is valid', config, {});
test(
  'an empty key is refused',
  config,
  { data: { '': 'x' } },
  "data[]: Invalid value: \"\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
);
test(
  'a key is in one of the two',
  config,
  { binaryData: { a: '' } },
  'data[a]: Invalid value: "a": duplicate of key present in binaryData',
);
test(
  'an immutable ConfigMap stays',
  updateRows('configmaps', CONFIG),
  { immutable: true },
  { 'data.a': 'c' },
  'data: Forbidden: field is immutable when `immutable` is set',
);

const NAMESPACE = object('v1', 'Namespace', {});
const namespace = createRows('namespaces', NAMESPACE);
test('a plain Namespace is valid', namespace, {});
test(
  'a Namespace name is a label',
  namespace,
  { 'metadata.name': 'a.b' },
  'metadata.name: Invalid value: "a.b": must not contain dots',
);
test(
  'a Namespace carries its name as a label',
  defaultRows('namespaces', NAMESPACE),
  {},
  { 'metadata.labels': { 'kubernetes.io/metadata.name': 'one' } },
);
test(
  'a Namespace that lives is active',
  updateRows('namespaces', NAMESPACE, 'status'),
  {},
  { 'status.phase': 'Terminating' },
  'status.Phase: Invalid value: "Terminating": may only be \'Active\' if `deletionTimestamp` is empty',
);
test(
  'an unknown finalizer is refused',
  updateRows('namespaces', NAMESPACE, 'finalize'),
  {},
  { 'spec.finalizers': ['me'] },
  'spec.finalizers[0]: Invalid value: "me": name is neither a standard finalizer name nor is it fully qualified',
);

const NODE = object('v1', 'Node', {});
const node = createRows('nodes', NODE);
test('a plain Node is valid', node, {});
test(
  'a taint has an effect',
  node,
  { 'spec.taints': [{ key: 'a' }] },
  'metadata.taints[0].effect: Required value',
);
test(
  'taints are unique',
  node,
  {
    'spec.taints': [
      { key: 'a', effect: 'NoSchedule' },
      { key: 'a', effect: 'NoSchedule' },
    ],
  },
  'metadata.taints[1]: Duplicate value: {"key":"a","effect":"NoSchedule"}: taints must be unique by key and effect pair',
);
test(
  'a pod range is a CIDR',
  node,
  { 'spec.podCIDR': 'x' },
  'spec.podCIDRs[0]: Invalid value: "x": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)',
);
const nodeUpdate = updateRows('nodes', NODE);
test('a pod range may be given once', nodeUpdate, {}, { 'spec.podCIDR': '10.244.0.0/24' });
test(
  'a pod range may not change',
  nodeUpdate,
  { 'spec.podCIDR': '10.244.0.0/24', 'spec.podCIDRs': ['10.244.0.0/24'] },
  { 'spec.podCIDR': '10.244.1.0/24', 'spec.podCIDRs': ['10.244.1.0/24'] },
  'spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid',
);

const endpoints = createRows(
  'endpoints',
  object('v1', 'Endpoints', { subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }),
);
test('plain Endpoints are valid', endpoints, {});
test(
  'a subset has addresses',
  endpoints,
  { 'subsets[0].addresses': [] },
  'subsets[0]: Required value: must specify `addresses` or `notReadyAddresses`',
);
test(
  'an endpoint is not link-local',
  endpoints,
  { 'subsets[0].addresses[0].ip': '169.254.1.1' },
  'subsets[0].addresses[0].ip: Invalid value: "169.254.1.1": may not be in the link-local range (169.254.0.0/16, fe80::/10)',
);

const event = createRows(
  'events',
  object('v1', 'Event', { involvedObject: { namespace: 'default', kind: 'Pod', name: 'a' } }),
);
test('a plain Event is valid', event, {});
test(
  "an Event lies in its object's namespace",
  event,
  { 'involvedObject.namespace': 'other' },
  'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
);
const eventV1 = createRows(
  'events.events.k8s.io',
  object('events.k8s.io/v1', 'Event', {
    regarding: { namespace: 'default', kind: 'Pod', name: 'a' },
    eventTime: '2026-01-01T00:00:00.000000Z',
    reportingController: 'a.b/c',
    reportingInstance: 'c-1',
    action: 'Doing',
    reason: 'Done',
    type: 'Normal',
  }),
);
test('a plain Event of the newer group is valid', eventV1, {});
test('an event time is required', eventV1, { eventTime: undefined }, 'eventTime: Required value');
test('a type is Normal or Warning', eventV1, { type: 'X' }, 'type: Invalid value: "": has invalid value: X');
test(
  'the old count is unset',
  eventV1,
  { deprecatedCount: 3 },
  'count: Invalid value: "": needs to be unset',
);

const CLAIM = object('v1', 'PersistentVolumeClaim', {
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
});
const claim = createRows('persistentvolumeclaims', CLAIM);
test('a plain claim is valid', claim, {});
test(
  'a claim has an access mode',
  claim,
  { 'spec.accessModes': [] },
  'spec.accessModes: Required value: at least 1 access mode is required',
);
test(
  'an access mode is one of four',
  claim,
  { 'spec.accessModes': ['X'] },
  'spec.accessModes: Unsupported value: "X": supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"',
);
test('a claim asks for storage', claim, { 'spec.resources': {} }, 'spec.resources[storage]: Required value');
test(
  'a claim asks for more than nothing',
  claim,
  { 'spec.resources.requests.storage': '0' },
  'spec.resources[storage]: Invalid value: "0": must be greater than zero',
);
test(
  'a claim keeps its modes',
  updateRows('persistentvolumeclaims', CLAIM),
  {},
  { 'spec.accessModes': ['ReadOnlyMany'] },
  'spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
);
test(
  'a bound claim may grow',
  updateRows('persistentvolumeclaims', CLAIM),
  { 'status.phase': 'Bound' },
  { 'spec.resources.requests.storage': '2Gi' },
);

const volume = createRows(
  'persistentvolumes',
  object('v1', 'PersistentVolume', {
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/a' } },
  }),
);
test('a plain volume is valid', volume, {});
test(
  'a volume has a capacity',
  volume,
  { 'spec.capacity': {} },
  'spec.capacity: Required value',
  'spec.capacity: Unsupported value: {}: supported values: "storage"',
);
test(
  'a volume has a source',
  volume,
  { 'spec.hostPath': undefined },
  'spec: Required value: must specify a volume type',
);
test(
  'a volume has one source',
  volume,
  { 'spec.nfs': { server: 'a', path: '/' } },
  'spec.nfs: Forbidden: may not specify more than 1 volume type',
);

const range = createRows(
  'limitranges',
  object('v1', 'LimitRange', { spec: { limits: [{ type: 'Container', max: { cpu: '1' } }] } }),
);
test('a plain LimitRange is valid', range, {});
test(
  'the least is not above the most',
  range,
  { 'spec.limits[0].min': { cpu: '2' } },
  'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
  'spec.limits[0].defaultRequest[cpu]: Invalid value: "1": min value 2 is greater than default request value 1',
  'spec.limits[0].default[cpu]: Invalid value: "2": min value 2 is greater than default value 1',
);
test(
  'pods have no defaults',
  range,
  { 'spec.limits': [{ type: 'Pod', default: { cpu: '1' } }] },
  "spec.limits[0].default: Forbidden: may not be specified when `type` is 'Pod'",
);

const quota = createRows(
  'resourcequotas',
  object('v1', 'ResourceQuota', { spec: { hard: { pods: '10', 'count/widgets.example.com': '3' } } }),
);
test('a plain quota is valid', quota, {});
test(
  'a quota counts what there is',
  quota,
  { 'spec.hard': { nonsense: '1' } },
  'spec.hard[nonsense]: Invalid value: "nonsense": must be a standard resource type or fully qualified',
  'spec.hard[nonsense]: Invalid value: "nonsense": must be a standard resource for quota',
);
test(
  'scopes do not contradict each other',
  quota,
  { 'spec.scopes': ['BestEffort', 'NotBestEffort'] },
  'spec.scopes: Invalid value: ["BestEffort","NotBestEffort"]: conflicting scopes',
);

const controller = createRows(
  'replicationcontrollers',
  object('v1', 'ReplicationController', {
    spec: {
      template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'c', image: 'd:1' }] } },
    },
  }),
);
test("a controller takes its template's labels for a selector", controller, {});
test(
  'a controller needs a template',
  controller,
  { 'spec.template': undefined, 'spec.selector': { a: 'b' } },
  'spec.template: Required value',
);
