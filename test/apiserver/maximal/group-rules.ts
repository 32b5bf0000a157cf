import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority } from '../../../src/pki/issue.ts';
import { REQUEST } from '../walk-objects.ts';
import { podReference } from './core-rules.ts';
import { oneOf } from './generate.ts';
import type { Place, Rules } from './generate.ts';

const inTemplate = ({ path }: Place): boolean => path.includes('emplate');
const condition = { status: 'True', reason: 'Reason' };
const RESOURCE = { namespace: 'default', verb: 'get', resource: 'pods', name: 'p' };
/** Alternatives go by the variant, and those above take every second one. */
const NEVER_BY_SEED = { rawSelector: 'x=y', requirements: undefined };
const SELECTOR = { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'In', values: ['b'] }] }] };
/** Where each device says itself which nodes it is for: in the fourth variant of a slice. */
const nodesOf = ({ variant, seed }: Place): number => (variant === 3 ? (seed - variant) % 3 : -1);
/** A job that is done. */
const COMPLETE = {
  completedIndexes: '0-3',
  failedIndexes: undefined,
  active: undefined,
  failed: undefined,
  ready: 0,
  succeeded: 4,
  terminating: 0,
  uncountedTerminatedPods: {},
  conditions: ['SuccessCriteriaMet', 'Complete'].map((type) => ({
    type,
    status: 'True',
    reason: 'R',
    message: 'm',
    lastProbeTime: '2026-01-02T03:04:05Z',
    lastTransitionTime: '2026-01-02T03:04:05Z',
  })),
};
const CA = Buffer.from(createCertificateAuthority({ commonName: 'ca', clock: systemClock }).certPem).toString(
  'base64',
);
const SHARE = 'b6a8cf5e-0b50-4f7d-a7b3-1e9d9c1a1b2c';
const rule = {
  apiGroups: ['example.com'],
  apiVersions: ['v1'],
  operations: ['CREATE'],
  resources: ['things'],
  scope: 'Namespaced',
};

/** Of the kinds of all groups but the core. */
export const GROUP_RULES: Rules = {
  ParamKind: { fields: { apiVersion: 'v1', kind: 'ConfigMap' } },
  NamedRuleWithOperations: { fields: { ...rule, resourceNames: ['thing-1'] } },
  RuleWithOperations: { fields: rule },
  Variable: { fields: { name: 'v', expression: 'object.metadata.name' } },
  MatchCondition: { fields: { name: 'example.com/condition', expression: 'true' } },
  MutatingAdmissionPolicySpec: { fields: { reinvocationPolicy: 'IfNeeded' } },
  Mutation: {
    either: [
      {
        patchType: 'ApplyConfiguration',
        applyConfiguration: { expression: 'Object{}' },
        jsonPatch: undefined,
      },
      {
        patchType: 'JSONPatch',
        applyConfiguration: undefined,
        jsonPatch: {
          expression: '[JSONPatch{op: "add", path: "/metadata/labels/a", value: "b"}]',
        },
      },
    ],
  },
  ParamRef: {
    fields: { namespace: 'default', parameterNotFoundAction: 'Deny' },
    either: oneOf(['name', 'selector']),
  },
  WebhookClientConfig: {
    either: [
      { url: 'https://hook.example.com/a', service: undefined, caBundle: CA },
      {
        url: undefined,
        service: { namespace: 'default', name: 'hook', path: '/a', port: 8443 },
        caBundle: CA,
      },
    ],
  },
  MutatingWebhook: {
    fields: {
      name: 'hook.example.com',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 7,
    },
  },
  ValidatingWebhook: {
    fields: {
      name: 'hook.example.com',
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 7,
    },
  },
  Validation: { fields: { expression: 'true', reason: 'Forbidden', messageExpression: '"m"' } },
  AuditAnnotation: { fields: { key: 'a-key', valueExpression: '"v"' } },
  ValidatingAdmissionPolicyBindingSpec: {
    fields: { policyName: 'maximal-nowhere', validationActions: ['Deny', 'Audit'] },
  },
  MutatingAdmissionPolicyBindingSpec: { fields: { policyName: 'maximal-nowhere' } },

  APIServiceSpec: {
    fields: {
      group: 'aggregated.example.com',
      version: 'v1',
      groupPriorityMinimum: 1000,
      versionPriority: 15,
    },
    either: [
      { insecureSkipTLSVerify: true, caBundle: undefined },
      { insecureSkipTLSVerify: undefined, caBundle: CA },
    ],
  },
  APIServiceCondition: { fields: condition },
  ControllerRevision: { fields: { data: { a: { b: 1 } } } },
  DaemonSetUpdateStrategy: { fields: { type: 'RollingUpdate' } },
  RollingUpdateDaemonSet: {
    either: [
      { maxUnavailable: '10%', maxSurge: 0 },
      { maxUnavailable: 0, maxSurge: 2 },
    ],
  },
  DeploymentStrategy: { fields: { type: 'RollingUpdate' } },
  RollingUpdateDeployment: { fields: { maxUnavailable: '25%', maxSurge: 1 } },
  DeploymentSpec: { fields: { progressDeadlineSeconds: 600, minReadySeconds: 5 } },
  StatefulSetUpdateStrategy: { fields: { type: 'RollingUpdate' } },
  RollingUpdateStatefulSetStrategy: { fields: { maxUnavailable: '30%' } },
  StatefulSetPersistentVolumeClaimRetentionPolicy: {
    fields: { whenDeleted: 'Delete', whenScaled: 'Retain' },
  },
  StatefulSetStatus: { fields: { currentRevision: 'rev-1', updateRevision: 'rev-2' } },

  TokenReviewSpec: { fields: { token: 'of-nobody', audiences: ['a'] } },
  SubjectAccessReviewSpec: {
    either: [
      { nonResourceAttributes: undefined },
      {
        // One that is local is about resources alone.
        resourceAttributes: ({ root }: Place) => (root.startsWith('Local') ? RESOURCE : undefined),
        nonResourceAttributes: ({ root }: Place) =>
          root.startsWith('Local') ? undefined : { path: '/livez', verb: 'get' },
      },
      { nonResourceAttributes: undefined },
    ],
  },
  SelfSubjectAccessReviewSpec: { either: oneOf(['resourceAttributes', 'nonResourceAttributes']) },
  ResourceAttributes: {
    fields: { namespace: 'default', verb: 'list', group: 'apps', version: 'v1', resource: 'deployments' },
  },
  FieldSelectorAttributes: {
    either: [
      { rawSelector: 'metadata.name=a', requirements: undefined },
      NEVER_BY_SEED,
      { rawSelector: undefined, requirements: [{ key: 'metadata.name', operator: 'In', values: ['a'] }] },
    ],
  },
  LabelSelectorAttributes: {
    either: [
      { rawSelector: 'a=b', requirements: undefined },
      NEVER_BY_SEED,
      { rawSelector: undefined, requirements: [{ key: 'a', operator: 'In', values: ['b'] }] },
    ],
  },
  NonResourceAttributes: { fields: { path: '/livez', verb: 'get' } },
  SelfSubjectRulesReviewSpec: { fields: { namespace: 'default' } },

  HorizontalPodAutoscalerSpec: {
    fields: {
      minReplicas: 2,
      maxReplicas: 5,
      scaleTargetRef: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' },
    },
  },
  CrossVersionObjectReference: { fields: { kind: 'Deployment', name: 'd', apiVersion: 'apps/v1' } },
  MetricSpec: {
    either: ['Object', 'Pods', 'Resource', 'ContainerResource', 'External'].map((type) => {
      const member = `${type[0]!.toLowerCase()}${type.slice(1)}`;
      const others = ['object', 'pods', 'resource', 'containerResource', 'external'];
      return {
        type,
        ...Object.fromEntries(others.filter((one) => one !== member).map((one) => [one, undefined])),
      };
    }),
  },
  MetricStatus: {
    either: ['Object', 'Pods', 'Resource', 'ContainerResource', 'External'].map((type) => {
      const member = `${type[0]!.toLowerCase()}${type.slice(1)}`;
      const others = ['object', 'pods', 'resource', 'containerResource', 'external'];
      return {
        type,
        ...Object.fromEntries(others.filter((one) => one !== member).map((one) => [one, undefined])),
      };
    }),
  },
  MetricTarget: {
    fields: {
      type: ({ path }: Place) =>
        /esource/.test(path) ? 'Utilization' : /pods/.test(path) ? 'AverageValue' : 'Value',
      value: ({ path }: Place) => (/esource|pods/.test(path) ? undefined : '10'),
      averageValue: ({ path }: Place) => (/pods/.test(path) ? '5' : undefined),
      averageUtilization: ({ path }: Place) => (/esource/.test(path) ? 70 : undefined),
    },
  },
  ResourceMetricSource: { fields: { name: 'cpu' } },
  ContainerResourceMetricSource: { fields: { name: 'cpu' } },
  HPAScalingRules: {
    fields: {
      selectPolicy: 'Max',
      stabilizationWindowSeconds: 60,
      policies: [
        { type: 'Pods', value: 2, periodSeconds: 30 },
        { type: 'Percent', value: 50, periodSeconds: 60 },
      ],
    },
  },

  CronJobSpec: {
    fields: { schedule: '*/5 * * * *', timeZone: 'Europe/Berlin', concurrencyPolicy: 'Forbid' },
  },
  JobTemplateSpec: { fields: { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } } },
  JobSpec: {
    fields: {
      parallelism: 2,
      completions: 4,
      completionMode: 'Indexed',
      backoffLimitPerIndex: 1,
      maxFailedIndexes: 1,
      backoffLimit: 6,
      podReplacementPolicy: 'Failed',
      managedBy: 'example.com/manager',
      selector: ({ path }: Place) =>
        inTemplate({ path } as Place) ? undefined : { matchLabels: { app: 'maximal' } },
      manualSelector: ({ path }: Place) => (path.includes('jobTemplate') ? undefined : true),
    },
  },
  PodFailurePolicyRule: {
    either: [
      {
        action: 'FailIndex',
        onExitCodes: { containerName: 'first', operator: 'In', values: [1, 2] },
        onPodConditions: undefined,
      },
      {
        action: 'Ignore',
        onExitCodes: undefined,
        onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }],
      },
    ],
  },
  SuccessPolicyRule: { fields: { succeededIndexes: '0-2', succeededCount: 2 } },
  JobStatus: {
    either: [{ completionTime: undefined }, COMPLETE],
    fields: {
      completedIndexes: '0',
      failedIndexes: '1',
      active: 1,
      succeeded: 1,
      failed: 1,
      ready: 1,
      terminating: 0,
      conditions: [
        {
          type: 'Suspended',
          status: 'False',
          reason: 'R',
          message: 'm',
          lastProbeTime: '2026-01-02T03:04:05Z',
          lastTransitionTime: '2026-01-02T03:04:05Z',
        },
      ],
      uncountedTerminatedPods: { succeeded: ['a'], failed: ['b'] },
    },
  },
  CronJobStatus: { fields: { active: [podReference] } },

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
