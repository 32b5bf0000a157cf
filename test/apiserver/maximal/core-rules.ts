import { oneOf } from './generate.ts';
import type { Place, Rules } from './generate.ts';

const PV_SOURCES = [
  'hostPath',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'glusterfs',
  'nfs',
  'rbd',
  'iscsi',
  'cinder',
  'cephfs',
  'fc',
  'flocker',
  'flexVolume',
  'azureFile',
  'vsphereVolume',
  'quobyte',
  'azureDisk',
  'photonPersistentDisk',
  'portworxVolume',
  'scaleIO',
  'local',
  'storageos',
  'csi',
];

const condition = { status: 'True', reason: 'Reason' };
const INGRESS = [
  { ip: '192.0.2.32', ipMode: 'Proxy', ports: [{ port: 80, protocol: 'TCP', error: 'example.com/error' }] },
  { hostname: 'lb.example.com' },
];
/** Kinds whose name follows from what they hold. */
const NAMED_BY_CONTENT = new Set(['IPAddress', 'CustomResourceDefinition', 'APIService']);
export const podReference = {
  kind: 'Pod',
  namespace: 'default',
  name: 'p',
  uid: 'u',
  apiVersion: 'v1',
  resourceVersion: '5',
  fieldPath: 'spec',
};

/** Of metadata and of the kinds of the core group. */
export const CORE_RULES: Rules = {
  ObjectMeta: {
    fields: {
      // Whoever writes them sets versions to be checked against, and managers to be believed.
      resourceVersion: undefined,
      managedFields: undefined,
      name: ({ path }: Place) => (path.includes('volumeClaimTemplates') ? 'claims' : undefined),
      namespace: undefined,
      labels: { app: 'maximal', 'example.com/of': 'all' },
      annotations: { 'example.com/note': 'any text at all' },
      finalizers: ['example.com/keep'],
      ownerReferences: [
        {
          apiVersion: 'example.com/v1',
          kind: 'Owner',
          name: 'owner',
          uid: '1-2',
          controller: true,
          blockOwnerDeletion: true,
        },
      ],
      uid: 'of-nobody',
      generateName: ({ root }: Place) => (NAMED_BY_CONTENT.has(root) ? undefined : 'gen-'),
    },
  },
  LabelSelector: {
    fields: {
      matchLabels: { app: 'maximal' },
      matchExpressions: [{ key: 'app', operator: 'In', values: ['maximal'] }],
    },
  },
  LabelSelectorRequirement: { fields: { key: 'app', operator: 'In', values: ['maximal'] } },
  Condition: { fields: condition },

  EndpointSubset: {
    fields: {
      addresses: [{ ip: '192.0.2.1', hostname: 'a', nodeName: 'node-1', targetRef: podReference }],
      notReadyAddresses: [{ ip: '192.0.2.2', hostname: 'b', nodeName: 'node-1', targetRef: podReference }],
      ports: [{ name: 'p', port: 80, protocol: 'TCP', appProtocol: 'http' }],
    },
  },
  '/Event': {
    fields: { involvedObject: podReference, related: podReference, reportingComponent: 'example.com/c' },
  },
  EventSeries: { fields: {} },
  'events.k8s.io/Event': {
    fields: {
      regarding: podReference,
      related: podReference,
      reportingController: 'example.com/c',
      type: 'Normal',
      deprecatedSource: undefined,
      deprecatedFirstTimestamp: undefined,
      deprecatedLastTimestamp: undefined,
      deprecatedCount: undefined,
    },
  },
  LimitRangeSpec: {
    fields: {
      limits: [
        {
          type: 'Container',
          max: { cpu: '2' },
          min: { cpu: '1m' },
          default: { cpu: '1' },
          defaultRequest: { cpu: '100m' },
          maxLimitRequestRatio: { cpu: '10' },
        },
        { type: 'Pod', max: { memory: '1000Gi' } },
        { type: 'PersistentVolumeClaim', min: { storage: '1' }, max: { storage: '1000Gi' } },
      ],
    },
  },
  LimitRangeItem: {},
  NodeSpec: {
    fields: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] },
  },
  Taint: { fields: { key: 'example.com/taint', value: 'v' } },
  NamespaceSpec: { fields: { finalizers: ['example.com/keep'] } },
  NodeStatus: {
    fields: {
      declaredFeatures: ['SomeFeature'],
      volumesInUse: ['kubernetes.io/csi/a'],
      addresses: [{ type: 'InternalIP', address: '192.0.2.9' }],
      phase: 'Running',
    },
  },
  NodeCondition: { fields: { type: 'Ready', status: 'True' } },
  PersistentVolumeClaimSpec: {
    fields: {
      accessModes: ['ReadWriteMany'],
      resources: { requests: { storage: '1Gi' }, limits: { storage: '2Gi' } },
      volumeMode: 'Filesystem',
      storageClassName: 'class',
      volumeAttributesClassName: 'gold',
    },
    either: [
      {
        dataSource: { apiGroup: 'snapshot.storage.k8s.io', kind: 'VolumeSnapshot', name: 's' },
        dataSourceRef: undefined,
      },
      {
        dataSource: undefined,
        dataSourceRef: { apiGroup: 'example.com', kind: 'Populator', name: 'p', namespace: 'other' },
      },
    ],
  },
  PersistentVolumeClaimStatus: {
    fields: {
      allocatedResourceStatuses: { storage: 'ControllerResizeInProgress' },
      allocatedResources: { storage: '1Gi' },
      capacity: { storage: '1Gi' },
    },
  },
  PersistentVolumeClaimCondition: { fields: { type: 'Resizing', status: 'True' } },
  PersistentVolumeSpec: {
    fields: {
      capacity: { storage: '1Gi' },
      accessModes: ['ReadWriteMany'],
      claimRef: {
        kind: 'PersistentVolumeClaim',
        namespace: 'default',
        name: 'c',
        uid: 'u',
        apiVersion: 'v1',
        resourceVersion: '5',
        fieldPath: 'f',
      },
      persistentVolumeReclaimPolicy: 'Retain',
      volumeMode: 'Filesystem',
      nodeAffinity: {
        required: {
          nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }],
        },
      },
    },
    either: oneOf(PV_SOURCES, (member) => (member === 'csi' ? {} : { volumeAttributesClassName: undefined })),
  },
  LocalVolumeSource: { fields: { path: '/mnt/disk' } },
  CSIPersistentVolumeSource: { fields: { driver: 'csi.example.com' } },
  VolumeAttributesClass: { fields: { driverName: 'csi.example.com' } },
  ResourceQuotaSpec: {
    fields: { hard: { pods: '1000', 'requests.cpu': '1000' }, scopes: ['NotTerminating'] },
  },
  ResourceQuotaStatus: { fields: { hard: { pods: '1000' }, used: { pods: '1' } } },
  ScopeSelector: {
    fields: {
      matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values: ['other'] }],
    },
  },
  ServiceAccount: { fields: { secrets: [podReference], imagePullSecrets: [{ name: 'pull' }] } },
  Secret: { fields: { type: 'example.com/type' } },
  ConfigMap: { fields: {} },
  ReplicationControllerSpec: { fields: { selector: { app: 'maximal' }, replicas: 3, minReadySeconds: 5 } },
  ServiceSpec: {
    fields: {
      clusterIP: undefined,
      clusterIPs: undefined,
      externalIPs: ['192.0.2.30'],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      trafficDistribution: 'PreferClose',
      externalTrafficPolicy: 'Local',
      internalTrafficPolicy: 'Local',
      sessionAffinity: 'ClientIP',
      selector: { app: 'maximal' },
    },
    either: [
      {
        type: 'LoadBalancer',
        externalName: undefined,
        loadBalancerIP: '192.0.2.31',
        loadBalancerSourceRanges: ['192.0.2.0/24'],
        loadBalancerClass: 'example.com/lb',
        healthCheckNodePort: 32001,
        clusterIP: '10.96.77.7',
        clusterIPs: ['10.96.77.7'],
      },
      {
        type: 'ExternalName',
        externalName: 'ext.example.com',
        externalIPs: undefined,
        ipFamilies: undefined,
        ipFamilyPolicy: undefined,
        externalTrafficPolicy: undefined,
        internalTrafficPolicy: undefined,
        trafficDistribution: undefined,
        loadBalancerIP: undefined,
        loadBalancerSourceRanges: undefined,
        loadBalancerClass: undefined,
        healthCheckNodePort: undefined,
        allocateLoadBalancerNodePorts: undefined,
        sessionAffinity: undefined,
        sessionAffinityConfig: undefined,
      },
    ],
  },
  ServicePort: {
    fields: {
      port: 80,
      targetPort: 'web',
      nodePort: ({ variant }: Place) => (variant % 2 === 0 ? 32000 : undefined),
      appProtocol: 'kubernetes.io/h2c',
    },
  },
  ServiceStatus: {
    fields: { loadBalancer: ({ variant }: Place) => (variant % 2 === 0 ? { ingress: INGRESS } : undefined) },
  },
};
