import { REQUEST } from '../walk-objects.ts';
import { podReference } from './core-rules.ts';
import { oneOf } from './generate.ts';
import type { Place, Rules } from './generate.ts';
import { CA } from './workload-rules.ts';

const SELECTOR = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }] };
/** Where each device says itself which nodes it is for: in the fourth variant of a slice. */
const nodesOf = ({ variant, seed }: Place): number => (variant === 3 ? (seed - variant) % 3 : -1);
const SHARE = 'b6a8cf5e-0b50-4f7d-a7b3-1e9d9c1a1b2c';

/** Of the groups from certificates to storage. */
export const GROUP_RULES: Rules = {
  CertificateSigningRequestSpec: {
    fields: {
      request: REQUEST,
      signerName: 'example.com/signer',
      expirationSeconds: 3600,
      usages: ['client auth', 'digital signature'],
    },
  },
  CertificateSigningRequestStatus: { fields: { certificate: CA } },
  CertificateSigningRequestCondition: { fields: { type: 'Failed', status: 'True' } },
  LeaseSpec: {
    fields: { leaseDurationSeconds: 15, strategy: 'OldestEmulationVersion', holderIdentity: 'me' },
  },

  EndpointSlice: {
    fields: {
      addressType: 'IPv4',
      ports: [{ name: 'p', port: 80, protocol: 'TCP', appProtocol: 'http' }],
    },
  },
  Endpoint: {
    fields: {
      addresses: ['192.0.2.40'],
      targetRef: podReference,
      deprecatedTopology: { 'example.com/a': 'b' },
    },
  },

  FlowSchemaSpec: {
    fields: {
      matchingPrecedence: 777,
      distinguisherMethod: { type: 'ByUser' },
      priorityLevelConfiguration: { name: 'catch-all' },
    },
  },
  PolicyRulesWithSubjects: {
    fields: {
      subjects: [
        { kind: 'User', user: { name: 'maximal' } },
        { kind: 'Group', group: { name: 'maximal' } },
        { kind: 'ServiceAccount', serviceAccount: { namespace: 'default', name: 'maximal' } },
      ],
      resourceRules: [
        {
          verbs: ['get'],
          apiGroups: ['example.com'],
          resources: ['things'],
          clusterScope: true,
          namespaces: ['default'],
        },
      ],
      nonResourceRules: [{ verbs: ['get'], nonResourceURLs: ['/maximal'] }],
    },
  },
  PriorityLevelConfigurationSpec: {
    either: [{ type: 'Limited', exempt: undefined }],
  },
  LimitedPriorityLevelConfiguration: {
    fields: { nominalConcurrencyShares: 5, lendablePercent: 40, borrowingLimitPercent: 100 },
  },
  LimitResponse: { fields: { type: 'Queue', queuing: { queues: 16, handSize: 4, queueLengthLimit: 20 } } },

  IngressClassSpec: { fields: { controller: 'example.com/controller' } },
  IngressClassParametersReference: {
    fields: { scope: 'Namespace', namespace: 'default', apiGroup: 'example.com' },
  },
  IngressSpec: { fields: { tls: [{ hosts: ['a.example.com'], secretName: 'tls' }] } },
  IngressBackend: { either: oneOf(['service', 'resource']) },
  ServiceBackendPort: {
    fields: {
      name: ({ path }: Place) => (path.includes('rules') ? undefined : 'web'),
      number: ({ path }: Place) => (path.includes('rules') ? 80 : undefined),
    },
  },
  IngressRule: { fields: { host: 'a.example.com' } },
  HTTPIngressPath: { fields: { path: '/a', pathType: 'Prefix' } },
  IngressLoadBalancerIngress: {
    either: [
      { ip: '192.0.2.33', hostname: undefined },
      { ip: undefined, hostname: 'lb.example.com' },
    ],
  },
  IngressPortStatus: { fields: { port: 80, error: 'example.com/error' } },
  ParentReference: { fields: { group: '', resource: 'services', namespace: 'default', name: 'kubernetes' } },
  NetworkPolicyPort: {
    either: [
      { port: 80, endPort: 90 },
      { port: 'web', endPort: undefined },
    ],
  },
  NetworkPolicyPeer: {
    either: [
      {
        ipBlock: { cidr: '192.0.2.0/24', except: ['192.0.2.128/25'] },
        podSelector: undefined,
        namespaceSelector: undefined,
      },
      { ipBlock: undefined },
    ],
  },
  NetworkPolicySpec: { fields: { policyTypes: ['Ingress', 'Egress'] } },
  ServiceCIDRSpec: { fields: { cidrs: ['192.0.2.0/24'] } },
  Overhead: { fields: { podFixed: { cpu: '1m', memory: '1Mi' } } },
  PodDisruptionBudgetSpec: { either: oneOf(['minAvailable', 'maxUnavailable']) },

  ClusterRole: {
    fields: {
      aggregationRule: { clusterRoleSelectors: [{ matchLabels: { 'example.com/agg': 'maximal' } }] },
    },
  },
  Role: {
    fields: { rules: [{ verbs: ['get'], apiGroups: [''], resources: ['pods'], resourceNames: ['p'] }] },
  },
  PolicyRule: {
    either: [
      {
        verbs: ['get'],
        apiGroups: [''],
        resources: ['pods'],
        resourceNames: ['p'],
        nonResourceURLs: undefined,
      },
      {
        verbs: ['get'],
        apiGroups: undefined,
        resources: undefined,
        resourceNames: undefined,
        nonResourceURLs: ['/livez'],
      },
    ],
  },
  RoleRef: { fields: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'view' } },
  'rbac.authorization.k8s.io/Subject': {
    either: [
      { kind: 'User', apiGroup: 'rbac.authorization.k8s.io', name: 'u', namespace: undefined },
      { kind: 'ServiceAccount', apiGroup: undefined, name: 's', namespace: 'default' },
    ],
  },

  CELDeviceSelector: { fields: { expression: 'device.driver == "gpu.example.com"' } },
  DeviceClassSpec: { fields: { extendedResourceName: 'example.com/gpu' } },
  OpaqueDeviceConfiguration: { fields: { driver: 'gpu.example.com', parameters: { a: 1 } } },
  DeviceRequest: {
    either: [
      { name: 'one', firstAvailable: undefined },
      { name: 'two', exactly: undefined },
    ],
  },
  ExactDeviceRequest: {
    fields: {
      deviceClassName: 'class.example.com',
      count: 2,
      allocationMode: 'ExactCount',
      adminAccess: undefined,
    },
  },
  DeviceSubRequest: {
    fields: { deviceClassName: 'class.example.com', count: 2, allocationMode: 'ExactCount' },
  },
  DeviceToleration: { fields: { key: 'example.com/t', operator: 'Equal', value: 'v', effect: 'NoExecute' } },
  CapacityRequirements: { fields: { requests: { 'gpu.example.com/memory': '1Gi' } } },
  DeviceConstraint: {
    fields: { requests: ['one'] },
    either: [
      { matchAttribute: 'gpu.example.com/model', distinctAttribute: undefined },
      { matchAttribute: undefined, distinctAttribute: 'gpu.example.com/numa' },
    ],
  },
  DeviceClaimConfiguration: { fields: { requests: ['one'] } },
  AllocationResult: { fields: {} },
  DeviceRequestAllocationResult: {
    fields: { request: 'one', shareID: SHARE, driver: 'gpu.example.com', adminAccess: undefined },
  },
  DeviceAllocationConfiguration: { fields: { requests: ['one'] } },
  AllocatedDeviceStatus: { fields: { shareID: SHARE, driver: 'gpu.example.com' } },
  NetworkDeviceData: { fields: { ips: ['192.0.2.50/24'], hardwareAddress: '02:00:00:00:00:01' } },
  ResourceClaimTemplateSpec: { fields: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } } },
  ResourceSliceSpec: {
    fields: { driver: 'gpu.example.com', pool: { name: 'pool-1', generation: 3, resourceSliceCount: 2 } },
    either: [
      {
        nodeName: 'node-1',
        nodeSelector: undefined,
        allNodes: undefined,
        perDeviceNodeSelection: undefined,
        sharedCounters: undefined,
      },
      {
        nodeName: undefined,
        allNodes: undefined,
        perDeviceNodeSelection: undefined,
        sharedCounters: undefined,
      },
      {
        nodeName: undefined,
        nodeSelector: undefined,
        perDeviceNodeSelection: undefined,
        sharedCounters: undefined,
      },
      { nodeName: undefined, nodeSelector: undefined, allNodes: undefined, sharedCounters: undefined },
      { nodeName: undefined, nodeSelector: undefined, perDeviceNodeSelection: undefined, devices: undefined },
    ],
  },
  Device: {
    either: [{}, {}, {}],
    fields: {
      name: ({ seed }: Place) => `device-${seed}`,
      attributes: {
        a: { int: 3 },
        b: { bool: true },
        c: { string: 's' },
        d: { version: '1.2.3' },
      },
      nodeName: (place: Place) => (nodesOf(place) === 0 ? 'node-1' : undefined),
      nodeSelector: (place: Place) => (nodesOf(place) === 1 ? SELECTOR : undefined),
      allNodes: (place: Place) => (nodesOf(place) === 2 ? true : undefined),
      bindsToNode: true,
      capacity: {
        memory: {
          value: '8Gi',
          requestPolicy: { default: '1Gi', validRange: { min: '1Gi', max: '8Gi', step: '1Gi' } },
        },
        cores: { value: '4', requestPolicy: { default: '2', validValues: ['1', '2'] } },
      },
      nodeAllocatableResourceMappings: undefined,
      consumesCounters: [{ counterSet: 'counters', counters: { memory: { value: '1Gi' } } }],
      taints: [{ key: 'example.com/t', value: 'v', effect: 'NoSchedule', timeAdded: '2026-01-02T03:04:05Z' }],
    },
  },
  DeviceCapacity: {
    fields: {
      value: '8Gi',
      requestPolicy: { default: '1Gi', validRange: { min: '1Gi', max: '8Gi', step: '1Gi' } },
    },
  },
  CounterSet: { fields: { name: 'counters', counters: { memory: { value: '8Gi' } } } },

  PriorityClass: { fields: { value: 2000 } },
  CSIDriverSpec: {
    fields: {
      volumeLifecycleModes: ['Persistent', 'Ephemeral'],
      fsGroupPolicy: 'File',
      tokenRequests: [{ audience: 'a', expirationSeconds: 3600 }],
      nodeAllocatableUpdatePeriodSeconds: 60,
    },
  },
  CSINodeDriver: { fields: { name: 'csi.example.com', topologyKeys: ['example.com/zone'] } },
  StorageClass: { fields: { reclaimPolicy: 'Retain', volumeBindingMode: 'WaitForFirstConsumer' } },
  TopologySelectorLabelRequirement: { fields: { key: 'zone' } },
  VolumeAttachmentSource: {
    either: [
      { inlineVolumeSpec: undefined },
      {
        persistentVolumeName: undefined,
        inlineVolumeSpec: {
          accessModes: ['ReadWriteOnce'],
          mountOptions: ['ro'],
          persistentVolumeReclaimPolicy: 'Retain',
          volumeMode: 'Filesystem',
          csi: { driver: 'csi.example.com', volumeHandle: 'v', fsType: 'ext4', readOnly: true },
        },
      },
    ],
  },
};
