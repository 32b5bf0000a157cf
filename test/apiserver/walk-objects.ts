import { readTable, tableNames } from './tables/table.ts';

/** A certificate request of nobody's key. */
export const REQUEST = [
  'LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KTUlIaE1JR0lBZ0VBTUNZeEZUQVRCZ05WQkFvTURITj',
  'VjM1JsYlRwdWIyUmxjekVOTUFzR0ExVUVBd3dFZDJGcwphekJaTUJNR0J5cUdTTTQ5QWdFR0NDcUdTTTQ5QXdFSEEw',
  'SUFCSG5WQXlqTGZKbDdhb2RLY3VKNHh6allLRDloClpjRFcxK0tJanh6YzdMaGg1ZTJsdWRrVmc0UmxZaUk0M2FFZn',
  'pWNHJMay9wbEFOQ0EyQmFSSFVicGh1Z0FEQUsKQmdncWhrak9QUVFEQWdOSUFEQkZBaUJRZ3Z1WE8zbVg3MmluKzRt',
  'Tlg0N3BRMkI3QTZBQUtDSDB4MmlrRUdnSQowd0loQVBWSUNFVEFpc3NZRlRNdXU4TnlmZDlTVm9kNndxS25zSzVvTT',
  'ZnL3JBTkEKLS0tLS1FTkQgQ0VSVElGSUNBVEUgUkVRVUVTVC0tLS0tCg==',
].join('');

const meta = (name: string) => ({ metadata: { name } });
const rules = [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }];
const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' };
const about = { kind: 'Pod', namespace: 'default', name: 'p' };
const job = { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'a', image: 'x:1' }] } } };
const policy = {
  matchConstraints: {
    resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['nodes'] }],
  },
};

/** A valid object of each kind that has no table, by `resource.apiVersion`. */
export const OBJECTS: Readonly<Record<string, object>> = {
  'certificatesigningrequests.certificates.k8s.io/v1': {
    ...meta('walk'),
    spec: { request: REQUEST, signerName: 'example.com/walk', usages: ['client auth'] },
  },
  'configmaps.v1': { ...meta('walk'), data: { a: 'b' } },
  'secrets.v1': { ...meta('walk'), stringData: { a: 'b' } },
  'serviceaccounts.v1': meta('walk'),
  'namespaces.v1': meta('walk'),
  'nodes.v1': meta('walk'),
  'limitranges.v1': { ...meta('walk'), spec: { limits: [] } },
  'resourcequotas.v1': { ...meta('walk'), spec: { hard: { pods: '100' } } },
  'events.v1': { ...meta('walk'), involvedObject: about, reason: 'R', message: 'm', type: 'Normal' },
  'events.events.k8s.io/v1': {
    ...meta('walk2'),
    regarding: about,
    eventTime: '2026-01-01T00:00:00.000000Z',
    reason: 'R',
    action: 'A',
    type: 'Normal',
    reportingController: 'a.b/c',
    reportingInstance: 'i',
  },
  'persistentvolumes.v1': {
    ...meta('walk'),
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/x' } },
  },
  'persistentvolumeclaims.v1': {
    ...meta('walk'),
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
  },
  'horizontalpodautoscalers.autoscaling/v1': {
    ...meta('walk1'),
    spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'w' } },
  },
  'horizontalpodautoscalers.autoscaling/v2': {
    ...meta('walk'),
    spec: { maxReplicas: 2, scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'w' } },
  },
  'jobs.batch/v1': { ...meta('walk'), spec: job },
  'cronjobs.batch/v1': { ...meta('walk'), spec: { schedule: '0 0 * * *', jobTemplate: { spec: job } } },
  'poddisruptionbudgets.policy/v1': { ...meta('walk'), spec: { minAvailable: 1 } },
  'roles.rbac.authorization.k8s.io/v1': { ...meta('walk'), rules },
  'clusterroles.rbac.authorization.k8s.io/v1': { ...meta('walk'), rules },
  'rolebindings.rbac.authorization.k8s.io/v1': { ...meta('walk'), roleRef },
  'clusterrolebindings.rbac.authorization.k8s.io/v1': { ...meta('walk'), roleRef },
  'mutatingwebhookconfigurations.admissionregistration.k8s.io/v1': meta('walk'),
  'validatingwebhookconfigurations.admissionregistration.k8s.io/v1': meta('walk'),
  'validatingadmissionpolicies.admissionregistration.k8s.io/v1': {
    ...meta('walk'),
    spec: { ...policy, validations: [{ expression: 'true' }] },
  },
  'validatingadmissionpolicybindings.admissionregistration.k8s.io/v1': {
    ...meta('walk'),
    spec: { policyName: 'none', validationActions: ['Deny'] },
  },
  'mutatingadmissionpolicies.admissionregistration.k8s.io/v1': {
    ...meta('walk'),
    spec: {
      ...policy,
      reinvocationPolicy: 'Never',
      mutations: [
        {
          patchType: 'JSONPatch',
          jsonPatch: {
            expression: '[JSONPatch{op: "add", path: "/metadata/labels/a", value: "b"}]',
          },
        },
      ],
    },
  },
  'mutatingadmissionpolicybindings.admissionregistration.k8s.io/v1': {
    ...meta('walk'),
    spec: { policyName: 'none' },
  },
  'customresourcedefinitions.apiextensions.k8s.io/v1': {
    ...meta('walks.example.com'),
    spec: {
      group: 'example.com',
      scope: 'Namespaced',
      names: { plural: 'walks', singular: 'walk', kind: 'Walk', listKind: 'WalkList' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
    },
  },
  'apiservices.apiregistration.k8s.io/v1': {
    ...meta('v1.walk.example.com'),
    spec: { group: 'walk.example.com', version: 'v1', groupPriorityMinimum: 1000, versionPriority: 15 },
  },
  'flowschemas.flowcontrol.apiserver.k8s.io/v1': {
    ...meta('walk'),
    spec: { priorityLevelConfiguration: { name: 'global-default' }, matchingPrecedence: 500 },
  },
  'prioritylevelconfigurations.flowcontrol.apiserver.k8s.io/v1': {
    ...meta('walk'),
    spec: { type: 'Limited', limited: { limitResponse: { type: 'Reject' } } },
  },
  'tokenreviews.authentication.k8s.io/v1': { metadata: {}, spec: { token: 'x' } },
  'selfsubjectreviews.authentication.k8s.io/v1': { metadata: {} },
  'subjectaccessreviews.authorization.k8s.io/v1': {
    metadata: {},
    spec: { user: 'u', nonResourceAttributes: { path: '/x', verb: 'get' } },
  },
  'selfsubjectaccessreviews.authorization.k8s.io/v1': {
    metadata: {},
    spec: { nonResourceAttributes: { path: '/x', verb: 'get' } },
  },
  'localsubjectaccessreviews.authorization.k8s.io/v1': {
    metadata: { namespace: 'default' },
    spec: { user: 'u', resourceAttributes: { namespace: 'default', resource: 'pods', verb: 'get' } },
  },
  'selfsubjectrulesreviews.authorization.k8s.io/v1': { metadata: {}, spec: { namespace: 'default' } },
};

/** The object of a kind: of this list, or the one its table begins with. */
export function objectOf(served: {
  group: string;
  version: string;
  resource: string;
  kind: string;
}): Record<string, unknown> | undefined {
  const { group, version, resource, kind } = served;
  const apiVersion = group === '' ? version : `${group}/${version}`;
  const own = OBJECTS[`${resource}.${apiVersion}`];
  if (own) return { apiVersion, kind, ...own };
  const name = tableNames().find((one) => {
    const { base } = readTable(one);
    return base['kind'] === kind && base['apiVersion'] === apiVersion;
  });
  return name === undefined ? undefined : readTable(name).base;
}
