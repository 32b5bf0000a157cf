import test from 'ava';
import type { KubeObject } from '../../../src/api/resource.ts';
import { createRows, defaultRows, updateRows } from './rows.ts';

const TEMPLATE = {
  metadata: { labels: { app: 'web' } },
  spec: { containers: [{ name: 'main', image: 'nginx:1' }] },
};
const workload = (kind: string, extra: object = {}) => ({
  apiVersion: 'apps/v1',
  kind,
  metadata: { name: 'web', namespace: 'default' },
  spec: { selector: { matchLabels: { app: 'web' } }, template: TEMPLATE, ...extra },
});

const DEPLOYMENT = workload('Deployment');
const deployment = createRows('deployments.apps', DEPLOYMENT);
test('a plain Deployment is valid', deployment, {});
test(
  'a Deployment needs a selector',
  deployment,
  { 'spec.selector': undefined },
  'spec.selector: Required value',
  'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
);
test(
  'an empty selector is refused',
  deployment,
  { 'spec.selector': {} },
  'spec.selector: Invalid value: {}: empty selector is invalid for deployment',
);
test(
  "the selector finds the template's pods",
  deployment,
  { 'spec.selector': { matchLabels: { app: 'db' } } },
  'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
);
test(
  'replicas are not negative',
  deployment,
  { 'spec.replicas': -1 },
  'spec.replicas: Invalid value: -1: must be greater than or equal to 0',
);
test(
  'a template restarts always',
  deployment,
  { 'spec.template.spec.restartPolicy': 'Never' },
  'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
);
test(
  'a template has no deadline',
  deployment,
  { 'spec.template.spec.activeDeadlineSeconds': 5 },
  'spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in ReplicaSet is not Supported',
);
test(
  'Recreate has no rolling update',
  deployment,
  { 'spec.strategy': { type: 'Recreate', rollingUpdate: {} } },
  "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
);
test(
  'a strategy is one of two',
  deployment,
  { 'spec.strategy': { type: 'Magic' } },
  'spec.strategy: Unsupported value: {"type":"Magic"}: supported values: "Recreate", "RollingUpdate"',
);
test(
  'surge and unavailable are not both zero',
  deployment,
  { 'spec.strategy.rollingUpdate': { maxSurge: 0, maxUnavailable: 0 } },
  'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0',
);
test(
  'unavailable is a percentage',
  deployment,
  { 'spec.strategy.rollingUpdate': { maxUnavailable: 'half' } },
  "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"half\": a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
);
test(
  'unavailable is at most 100%',
  deployment,
  { 'spec.strategy.rollingUpdate': { maxUnavailable: '101%' } },
  'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%',
);
test(
  'the deadline is longer than minReadySeconds',
  deployment,
  { 'spec.minReadySeconds': 600 },
  'spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds',
);
test(
  'a Deployment without a spec is told what it lacks',
  deployment,
  { spec: undefined },
  'spec.selector: Required value',
  'spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`',
  'spec.template.spec.containers: Required value',
);

const deploymentUpdate = updateRows('deployments.apps', DEPLOYMENT);
test('a Deployment scales', deploymentUpdate, {}, { 'spec.replicas': 5 });
test(
  "a Deployment's selector stays",
  deploymentUpdate,
  {},
  { 'spec.selector.matchLabels.x': 'y', 'spec.template.metadata.labels.x': 'y' },
  'spec.selector: Invalid value: {"matchLabels":{"app":"web","x":"y"}}: field is immutable',
);
const deploymentStatus = updateRows('deployments.apps', DEPLOYMENT, 'status');
test(
  'ready replicas are among the replicas',
  deploymentStatus,
  {},
  { 'status.replicas': 1, 'status.readyReplicas': 2 },
  'status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas',
);

const deploymentDefaults = defaultRows('deployments.apps', DEPLOYMENT);
test(
  'a Deployment gets its defaults',
  deploymentDefaults,
  {},
  {
    'spec.replicas': 1,
    'spec.revisionHistoryLimit': 10,
    'spec.progressDeadlineSeconds': 600,
    'spec.strategy': { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: '25%', maxSurge: '25%' } },
    'spec.template.spec.restartPolicy': 'Always',
  },
);
test('zero replicas stay zero', deploymentDefaults, { 'spec.replicas': 0 }, { 'spec.replicas': 0 });

const replicaSet = createRows('replicasets.apps', workload('ReplicaSet'));
test('a plain ReplicaSet is valid', replicaSet, {});
test(
  'a ReplicaSet needs a selector',
  replicaSet,
  { 'spec.selector': undefined },
  'spec.selector: Required value',
  'spec.template.metadata.labels: Invalid value: {"app":"web"}: `selector` does not match template `labels`',
);

const daemonSet = createRows('daemonsets.apps', workload('DaemonSet'));
test('a plain DaemonSet is valid', daemonSet, {});
test(
  'a DaemonSet surges or goes without',
  daemonSet,
  { 'spec.updateStrategy.rollingUpdate': { maxSurge: 1, maxUnavailable: 1 } },
  'spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when maxUnavailable is non-zero',
);
test(
  'a DaemonSet can go on',
  daemonSet,
  { 'spec.updateStrategy.rollingUpdate': { maxSurge: 0, maxUnavailable: 0 } },
  'spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0',
);
test(
  'an empty selector is refused for DaemonSets',
  daemonSet,
  { 'spec.selector': {} },
  'spec.selector: Invalid value: {}: empty selector is invalid for daemonset',
);

const STATEFULSET = workload('StatefulSet', { serviceName: 'web' });
const statefulSet = createRows('statefulsets.apps', STATEFULSET);
test('a plain StatefulSet is valid', statefulSet, {});
test('its claims are volumes of its pods', statefulSet, {
  'spec.volumeClaimTemplates': [
    {
      metadata: { name: 'data' },
      spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
    },
  ],
  'spec.template.spec.containers[0].volumeMounts': [{ name: 'data', mountPath: '/data' }],
});
test(
  'a pod management policy is one of two',
  statefulSet,
  { 'spec.podManagementPolicy': 'X' },
  "spec.podManagementPolicy: Invalid value: \"X\": must be 'OrderedReady' or 'Parallel'",
);
test(
  'OnDelete has no rolling update',
  statefulSet,
  { 'spec.updateStrategy': { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
  'spec.updateStrategy.rollingUpdate: Invalid value: {"partition":1}: only allowed for updateStrategy \'RollingUpdate\'',
);
const statefulSetUpdate = updateRows('statefulsets.apps', STATEFULSET);
test('a StatefulSet scales', statefulSetUpdate, {}, { 'spec.replicas': 3 });
test(
  "a StatefulSet's service stays",
  statefulSetUpdate,
  {},
  { 'spec.serviceName': 'other' },
  "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
);

const revision = createRows('controllerrevisions.apps', {
  apiVersion: 'apps/v1',
  kind: 'ControllerRevision',
  metadata: { name: 'a' },
  data: { a: 1 },
  revision: 1,
} as KubeObject);
test('a revision has data', revision, { data: undefined }, 'data: Required value: data is mandatory');

const JOB = {
  apiVersion: 'batch/v1',
  kind: 'Job',
  metadata: { name: 'once', namespace: 'default' },
  spec: { template: { spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'a:1' }] } } },
};
const job = createRows('jobs.batch', JOB);
test('a plain Job is valid and selects its own pods', job, {});
test(
  'a Job ends',
  job,
  { 'spec.template.spec.restartPolicy': 'Always' },
  'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
);
test(
  'an indexed Job has completions',
  job,
  { 'spec.completionMode': 'Indexed', 'spec.parallelism': 2 },
  'spec.completions: Required value: when completion mode is Indexed',
);
test(
  'maxFailedIndexes needs a limit per index',
  job,
  { 'spec.completionMode': 'Indexed', 'spec.completions': 3, 'spec.maxFailedIndexes': 1 },
  'spec.backoffLimitPerIndex: Required value: when maxFailedIndexes is specified',
);
test(
  'a failure rule has one condition',
  job,
  { 'spec.podFailurePolicy': { rules: [{ action: 'FailJob' }] } },
  'spec.podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required',
);
test(
  'exit codes are ordered',
  job,
  {
    'spec.podFailurePolicy': {
      rules: [{ action: 'FailJob', onExitCodes: { operator: 'In', values: [3, 2] } }],
    },
  },
  'spec.podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,2]: must be ordered',
);
test(
  'a selector of its own is refused',
  job,
  { 'spec.selector': { matchLabels: { a: 'b' } } },
  'spec.selector: Invalid value: {"matchLabels":{"batch.kubernetes.io/controller-uid":"11111111-2222-3333-4444-555555555555","a":"b"}}: `selector` not auto-generated',
  'spec.template.metadata.labels: Invalid value: {"batch.kubernetes.io/controller-uid":"11111111-2222-3333-4444-555555555555","batch.kubernetes.io/job-name":"once","controller-uid":"11111111-2222-3333-4444-555555555555","job-name":"once"}: `selector` does not match template `labels`',
);
const jobUpdate = updateRows('jobs.batch', JOB);
test('parallelism may change', jobUpdate, {}, { 'spec.parallelism': 3 });
test(
  "a Job's template stays",
  jobUpdate,
  {},
  { 'spec.template.spec.containers[0].image': 'b' },
  `spec.template: Invalid value: ${JSON.stringify({ spec: { restartPolicy: 'Never', containers: [{ name: 'main', image: 'b', imagePullPolicy: 'IfNotPresent', terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File', resources: {} }], dnsPolicy: 'ClusterFirst', securityContext: {}, terminationGracePeriodSeconds: 30, schedulerName: 'default-scheduler' }, metadata: { labels: { 'batch.kubernetes.io/controller-uid': '11111111-2222-3333-4444-555555555555', 'batch.kubernetes.io/job-name': 'once', 'controller-uid': '11111111-2222-3333-4444-555555555555', 'job-name': 'once' } } })}: field is immutable`,
);
test(
  'completions stay',
  jobUpdate,
  {},
  { 'spec.completions': 3 },
  'spec.completions: Invalid value: 3: field is immutable',
);
const jobDefaults = defaultRows('jobs.batch', JOB);
test(
  'a Job gets its defaults',
  jobDefaults,
  {},
  {
    'spec.completions': 1,
    'spec.parallelism': 1,
    'spec.backoffLimit': 6,
    'spec.completionMode': 'NonIndexed',
    'spec.suspend': false,
    'spec.podReplacementPolicy': 'TerminatingOrFailed',
  },
);

const CRONJOB = {
  apiVersion: 'batch/v1',
  kind: 'CronJob',
  metadata: { name: 'daily', namespace: 'default' },
  spec: { schedule: '0 5 * * *', jobTemplate: { spec: JOB.spec } },
};
const cronJob = createRows('cronjobs.batch', CRONJOB);
test('a plain CronJob is valid', cronJob, {});
for (const schedule of [
  '*/5 * * * *',
  '@hourly',
  '@every 1h30m',
  '0 0 1-5 jan,feb mon-fri',
  '5/15 * * * ?',
]) {
  test(`the schedule ${schedule} is valid`, cronJob, { 'spec.schedule': schedule });
}
test(
  'a schedule has five fields',
  cronJob,
  { 'spec.schedule': '* * *' },
  'spec.schedule: Invalid value: "* * *": expected exactly 5 fields, found 3: [* * *]',
);
test(
  'minutes end at 59',
  cronJob,
  { 'spec.schedule': '60 * * * *' },
  'spec.schedule: Invalid value: "60 * * * *": end of range (60) above maximum (59): 60',
);
test('a schedule is required', cronJob, { 'spec.schedule': '' }, 'spec.schedule: Required value');
test(
  'a schedule names no zone',
  cronJob,
  { 'spec.schedule': 'TZ=UTC 0 5 * * *' },
  'spec.schedule: Invalid value: "TZ=UTC 0 5 * * *": cannot use TZ or CRON_TZ in schedule, use timeZone field instead',
);
test(
  'a time zone is known',
  cronJob,
  { 'spec.timeZone': 'Moon/Base' },
  'spec.timeZone: Invalid value: "Moon/Base": unknown time zone Moon/Base',
);
test(
  'a concurrency policy is one of three',
  cronJob,
  { 'spec.concurrencyPolicy': 'X' },
  'spec.concurrencyPolicy: Unsupported value: "X": supported values: "Allow", "Forbid", "Replace"',
);
test(
  'a name leaves room for the jobs',
  cronJob,
  { 'metadata.name': 'a'.repeat(53) },
  `metadata.name: Invalid value: "${'a'.repeat(53)}": must be no more than 52 characters`,
);
