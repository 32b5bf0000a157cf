import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority } from '../../../src/pki/issue.ts';
import { podReference } from './core-rules.ts';
import { oneOf } from './generate.ts';
import type { Place, Rules } from './generate.ts';

const inTemplate = ({ path }: Place): boolean => path.includes('emplate');
const RESOURCE = { namespace: 'default', verb: 'get', resource: 'pods', name: 'p' };
/** Alternatives go by the variant, and those above take every second one. */
const NEVER_BY_SEED = { rawSelector: 'x=y', requirements: undefined };
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
export const CA = Buffer.from(
  createCertificateAuthority({ commonName: 'ca', clock: systemClock }).certPem,
).toString('base64');
const rule = {
  apiGroups: ['example.com'],
  apiVersions: ['v1'],
  operations: ['CREATE'],
  resources: ['things'],
  scope: 'Namespaced',
};

/** Of admission, apps, authorization, autoscaling and batch. */
export const WORKLOAD_RULES: Rules = {
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
  APIServiceCondition: { fields: { status: 'True', reason: 'Reason' } },
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
};
