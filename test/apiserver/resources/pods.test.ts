import test from 'ava';
import { createRows, defaultRows, updateRows } from './rows.ts';

const POD = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'web', namespace: 'default' },
  spec: { containers: [{ name: 'main', image: 'nginx:1.27' }] },
};
const C = 'spec.containers[0]';
const LABEL =
  "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
  "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " +
  "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const row = createRows('pods', POD);
test('a plain pod is valid', row, {});
test('containers are required', row, { 'spec.containers': [] }, 'spec.containers: Required value');
test('a container needs a name', row, { [`${C}.name`]: '' }, `${C}.name: Required value`);
test(
  'a container name is a label',
  row,
  { [`${C}.name`]: 'Bad_' },
  `${C}.name: Invalid value: "Bad_": ${LABEL}`,
);
test(
  'a container name has no dots',
  row,
  { [`${C}.name`]: 'a.b' },
  `${C}.name: Invalid value: "a.b": must not contain dots`,
);
test('a container needs an image', row, { [`${C}.image`]: '' }, `${C}.image: Required value`);
test(
  'an image has no space around it',
  row,
  { [`${C}.image`]: ' nginx ' },
  `${C}.image: Invalid value: " nginx ": must not have leading or trailing whitespace`,
);
test(
  'container names are unique',
  row,
  { 'spec.containers[1]': { name: 'main', image: 'a' } },
  'spec.containers[1].name: Duplicate value: "main"',
);
test(
  'an init container has no other name than a container',
  row,
  { 'spec.initContainers[0]': { name: 'main', image: 'a' } },
  'spec.initContainers[0].name: Duplicate value: "main"',
);
test(
  'the pull policy is one of three',
  row,
  { [`${C}.imagePullPolicy`]: 'Sometimes' },
  `${C}.imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
);
test(
  'the restart policy is one of three',
  row,
  { 'spec.restartPolicy': 'Maybe' },
  'spec.restartPolicy: Unsupported value: "Maybe": supported values: "Always", "OnFailure", "Never"',
);
test(
  'the DNS policy is one of four',
  row,
  { 'spec.dnsPolicy': 'X' },
  'spec.dnsPolicy: Unsupported value: "X": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
);
test(
  'dnsPolicy None needs a configuration',
  row,
  { 'spec.dnsPolicy': 'None' },
  'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None',
);
test(
  'a port needs a number',
  row,
  { [`${C}.ports`]: [{ name: 'http' }] },
  `${C}.ports[0].containerPort: Required value`,
);
test(
  'a port is at most 65535',
  row,
  { [`${C}.ports`]: [{ containerPort: 70000 }] },
  `${C}.ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive`,
);
test(
  'a port protocol is one of three',
  row,
  { [`${C}.ports`]: [{ containerPort: 80, protocol: 'ICMP' }] },
  `${C}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"`,
);
test(
  'a port name has at most 15 characters',
  row,
  { [`${C}.ports`]: [{ containerPort: 80, name: 'abcdefghijklmnop' }] },
  `${C}.ports[0].name: Invalid value: "abcdefghijklmnop": must be no more than 15 characters`,
);
test(
  'port names are unique',
  row,
  {
    [`${C}.ports`]: [
      { containerPort: 80, name: 'a' },
      { containerPort: 81, name: 'a' },
    ],
  },
  `${C}.ports[1].name: Duplicate value: "a"`,
);
test(
  'host ports are unique',
  row,
  {
    [`${C}.ports`]: [
      { containerPort: 80, hostPort: 8080 },
      { containerPort: 81, hostPort: 8080 },
    ],
  },
  `${C}.ports[1].hostPort: Duplicate value: "TCP//8080"`,
);
test(
  'an environment variable needs a name',
  row,
  { [`${C}.env`]: [{ value: 'x' }] },
  `${C}.env[0].name: Required value`,
);
test(
  'an environment variable name may not hold "="',
  row,
  { [`${C}.env`]: [{ name: 'a=b' }] },
  `${C}.env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than '='`,
);
test(
  'a variable has a value or a source',
  row,
  { [`${C}.env`]: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
  `${C}.env[0].valueFrom: Invalid value: "": may not be specified when \`value\` is not empty`,
);
test(
  'a variable reads only some fields',
  row,
  { [`${C}.env`]: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] },
  `${C}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"`,
);
test('a variable may read one label', row, {
  [`${C}.env`]: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }],
});
test(
  'a secret key is required',
  row,
  { [`${C}.env`]: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's' } } }] },
  `${C}.env[0].valueFrom.secretKeyRef.key: Required value`,
);
test(
  'envFrom needs a source',
  row,
  { [`${C}.envFrom`]: [{ prefix: 'A_' }] },
  `${C}.envFrom: Invalid value: "": must specify one of: \`configMapRef\` or \`secretRef\``,
);
test(
  'a mount needs a volume',
  row,
  { [`${C}.volumeMounts`]: [{ name: 'data', mountPath: '/data' }] },
  `${C}.volumeMounts[0].name: Not found: "data"`,
);
test(
  'mount paths are unique',
  row,
  {
    'spec.volumes': [{ name: 'a', emptyDir: {} }],
    [`${C}.volumeMounts`]: [
      { name: 'a', mountPath: '/a' },
      { name: 'a', mountPath: '/a' },
    ],
  },
  `${C}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique`,
);
test(
  'a sub-path stays inside',
  row,
  {
    'spec.volumes': [{ name: 'a', emptyDir: {} }],
    [`${C}.volumeMounts`]: [{ name: 'a', mountPath: '/a', subPath: '../b' }],
  },
  `${C}.volumeMounts.subPath: Invalid value: "../b": must not contain '..'`,
);
test(
  'a volume has one source',
  row,
  { 'spec.volumes': [{ name: 'a', emptyDir: {}, secret: { secretName: 's' } }] },
  'spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type',
);
test(
  'volume names are unique',
  row,
  {
    'spec.volumes': [
      { name: 'a', emptyDir: {} },
      { name: 'a', emptyDir: {} },
    ],
  },
  'spec.volumes[1].name: Duplicate value: "a"',
);
test(
  'a secret volume names its secret',
  row,
  { 'spec.volumes': [{ name: 'a', secret: {} }] },
  'spec.volumes[0].secret.secretName: Required value',
);
test(
  'a file mode is at most 0777',
  row,
  { 'spec.volumes': [{ name: 'a', secret: { secretName: 's', defaultMode: 512 } }] },
  'spec.volumes[0].secret.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
);
test(
  'a host path has no way up',
  row,
  { 'spec.volumes': [{ name: 'a', hostPath: { path: '/a/../b' } }] },
  'spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\'',
);
test(
  'a projected token lives at least ten minutes',
  row,
  {
    'spec.serviceAccountName': 'x',
    'spec.volumes': [
      { name: 'a', projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } },
    ],
  },
  'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
);
test(
  'a probe needs a handler',
  row,
  { [`${C}.livenessProbe`]: {} },
  `${C}.livenessProbe: Required value: must specify a handler type`,
);
test(
  'a probe has one handler',
  row,
  { [`${C}.livenessProbe`]: { exec: { command: ['a'] }, tcpSocket: { port: 1 } } },
  `${C}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type`,
);
test(
  'a liveness probe succeeds once',
  row,
  { [`${C}.livenessProbe`]: { tcpSocket: { port: 1 }, successThreshold: 2 } },
  `${C}.livenessProbe.successThreshold: Invalid value: 2: must be 1`,
);
test(
  'a readiness probe has no grace period',
  row,
  { [`${C}.readinessProbe`]: { tcpSocket: { port: 1 }, terminationGracePeriodSeconds: 5 } },
  `${C}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes`,
);
test(
  'plain init containers have no probes',
  row,
  { 'spec.initContainers': [{ name: 'i', image: 'a', readinessProbe: { tcpSocket: { port: 1 } } }] },
  'spec.initContainers[0].readinessProbe: Forbidden: may not be set for init containers without restartPolicy=Always',
);
test('sidecars may have probes', row, {
  'spec.initContainers': [
    { name: 'i', image: 'a', restartPolicy: 'Always', readinessProbe: { tcpSocket: { port: 1 } } },
  ],
});
test(
  'a request is not above its limit',
  row,
  { [`${C}.resources`]: { limits: { cpu: '1' }, requests: { cpu: '2' } } },
  `${C}.resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1`,
);
test(
  'a container resource is a standard one',
  row,
  { [`${C}.resources`]: { requests: { storage: '1Gi' } } },
  `${C}.resources.requests[storage]: Invalid value: "storage": must be a standard resource for containers`,
);
test(
  'a device is asked for in whole numbers',
  row,
  { [`${C}.resources`]: { limits: { 'example.com/gpu': '500m' }, requests: { 'example.com/gpu': '500m' } } },
  `${C}.resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer`,
  `${C}.resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer`,
);
test(
  'a negative request is refused',
  row,
  { [`${C}.resources`]: { requests: { cpu: '-1' } } },
  `${C}.resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0`,
);
test(
  'a sysctl has a valid name',
  row,
  { 'spec.securityContext': { sysctls: [{ name: 'Bad!', value: '1' }] } },
  'spec.securityContext.sysctls[0].name: Invalid value: "Bad!": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$',
);
test(
  'a user id is not negative',
  row,
  { 'spec.securityContext': { runAsUser: -1 } },
  'spec.securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive',
);
test(
  'a toleration without key exists',
  row,
  { 'spec.tolerations': [{ operator: 'Equal' }] },
  'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, which means "match all values and all keys"',
);
test(
  'tolerationSeconds go with NoExecute',
  row,
  { 'spec.tolerations': [{ key: 'a', operator: 'Exists', tolerationSeconds: 3 }] },
  'spec.tolerations[0].effect: Invalid value: "": effect must be \'NoExecute\' when `tolerationSeconds` is set',
);
test(
  'node affinity needs a term',
  row,
  { 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution': { nodeSelectorTerms: [] } },
  'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
);
test(
  'pod affinity needs a topology key',
  row,
  { 'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution': [{ labelSelector: {} }] },
  'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
  'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty',
  "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
);
test(
  'a spread constraint needs a positive skew',
  row,
  {
    'spec.topologySpreadConstraints': [
      { maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' },
    ],
  },
  'spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero',
);
test(
  'ephemeral containers are not created',
  row,
  { 'spec.ephemeralContainers': [{ name: 'd', image: 'a' }] },
  'spec.ephemeralContainers: Forbidden: cannot be set on create',
);
test(
  'a gated pod has no node',
  row,
  { 'spec.nodeName': 'n', 'spec.schedulingGates': [{ name: 'g' }] },
  'spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared',
);
test(
  'the deadline is positive',
  row,
  { 'spec.activeDeadlineSeconds': 0 },
  'spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive',
);
test(
  'a host alias has an address',
  row,
  { 'spec.hostAliases': [{ ip: '010.1.1.1', hostnames: ['a'] }] },
  'spec.hostAliases[0].ip: Invalid value: "010.1.1.1": must not have leading 0s',
);
test(
  'privileged excludes no escalation',
  row,
  { [`${C}.securityContext`]: { privileged: true, allowPrivilegeEscalation: false } },
  `${C}.securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set \`allowPrivilegeEscalation\` to false and \`privileged\` to true`,
);

const update = updateRows('pods', POD);
const FIXED =
  'spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,' +
  '`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),' +
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';
test("a pod's image may change", update, {}, { [`${C}.image`]: 'nginx:2' });
test("a pod's command may not change", update, {}, { [`${C}.command`]: ['a'] }, FIXED);
test("a pod's node may not change", update, {}, { 'spec.nodeName': 'n' }, FIXED);
test(
  'containers may not be added',
  update,
  {},
  { 'spec.containers[1]': { name: 'b', image: 'b' } },
  'spec.containers: Forbidden: pod updates may not add or remove containers',
);
test('tolerations may be added', update, {}, { 'spec.tolerations': [{ key: 'a', operator: 'Exists' }] });
test(
  'tolerations may not be taken away',
  update,
  { 'spec.tolerations': [{ key: 'a', operator: 'Exists' }] },
  { 'spec.tolerations': [] },
  'spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds',
);
test(
  'a deadline may only come nearer',
  update,
  { 'spec.activeDeadlineSeconds': 10 },
  { 'spec.activeDeadlineSeconds': 20 },
  'spec.activeDeadlineSeconds: Invalid value: 20: must be less than or equal to previous value',
);
test(
  'gates may be lifted',
  update,
  { 'spec.schedulingGates': [{ name: 'a' }] },
  { 'spec.schedulingGates': [] },
);
test(
  'gates may not be added',
  update,
  {},
  { 'spec.schedulingGates': [{ name: 'a' }] },
  "spec.schedulingGates[0].name: Forbidden: only deletion is allowed, but found new scheduling gate 'a'",
);

const status = updateRows('pods', POD, 'status');
test('a status may name a phase', status, {}, { 'status.phase': 'Running' });
test(
  'a QoS class stays',
  status,
  {},
  { 'status.qosClass': 'Guaranteed' },
  'status.qosClass: Invalid value: "Guaranteed": field is immutable',
);
test(
  'an ended container of a pod that restarts nothing stays ended',
  status,
  {
    'spec.restartPolicy': 'Never',
    'status.containerStatuses': [{ name: 'main', restartCount: 0, state: { terminated: { exitCode: 1 } } }],
  },
  { 'status.containerStatuses': [{ name: 'main', restartCount: 1, state: { running: {} } }] },
  'status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state',
);
test(
  'two addresses of one family are refused',
  status,
  {},
  { 'status.podIPs': [{ ip: '10.0.0.1' }, { ip: '10.0.0.2' }] },
  'status.podIPs: Invalid value: [{"ip":"10.0.0.1"},{"ip":"10.0.0.2"}]: may specify no more than one IP for each IP family',
);

const resize = updateRows('pods', POD, 'resize');
const SIZED = { [`${C}.resources`]: { requests: { cpu: '100m' } }, 'status.qosClass': 'Burstable' };
test('a resize may change cpu', resize, SIZED, { [`${C}.resources.requests.cpu`]: '200m' });
test(
  'a resize may not take a request away',
  resize,
  { [`${C}.resources`]: { requests: { cpu: '100m', memory: '1Mi' } }, 'status.qosClass': 'Burstable' },
  { [`${C}.resources`]: { requests: { cpu: '1' } } },
  `${C}.resources.requests: Forbidden: resource requests cannot be removed`,
);
test(
  'a resize may not change the QoS class',
  resize,
  SIZED,
  { [`${C}.resources`]: { requests: { cpu: '1', memory: '1Gi' }, limits: { cpu: '1', memory: '1Gi' } } },
  'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
);

const ephemeral = updateRows('pods', POD, 'ephemeralcontainers');
test(
  'debug containers may be added',
  ephemeral,
  {},
  { 'spec.ephemeralContainers': [{ name: 'd', image: 'busybox' }] },
);
test(
  'debug containers have no ports',
  ephemeral,
  {},
  { 'spec.ephemeralContainers': [{ name: 'd', image: 'busybox', ports: [{ containerPort: 1 }] }] },
  'spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container',
);
test(
  'debug containers may not be removed',
  ephemeral,
  {
    'spec.ephemeralContainers': [
      {
        name: 'd',
        image: 'busybox',
        imagePullPolicy: 'Always',
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        resources: {},
      },
    ],
  },
  { 'spec.ephemeralContainers': [] },
  'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed',
);

const defaults = defaultRows('pods', POD);
test(
  'a pod gets the usual defaults',
  defaults,
  {},
  {
    'spec.restartPolicy': 'Always',
    'spec.dnsPolicy': 'ClusterFirst',
    'spec.schedulerName': 'default-scheduler',
    'spec.terminationGracePeriodSeconds': 30,
    'spec.enableServiceLinks': true,
    'spec.securityContext': {},
    [`${C}.imagePullPolicy`]: 'IfNotPresent',
    [`${C}.terminationMessagePath`]: '/dev/termination-log',
    [`${C}.terminationMessagePolicy`]: 'File',
  },
);
test(
  'an image without a tag is always pulled',
  defaults,
  { [`${C}.image`]: 'registry:5000/nginx' },
  { [`${C}.imagePullPolicy`]: 'Always' },
);
test(
  'an image with a digest is pulled once',
  defaults,
  { [`${C}.image`]: 'nginx@sha256:abc' },
  { [`${C}.imagePullPolicy`]: 'IfNotPresent' },
);
test(
  'limits are requests where none are given',
  defaults,
  { [`${C}.resources`]: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '500m' } } },
  { [`${C}.resources.requests`]: { cpu: '500m', memory: '1Gi' } },
);
test(
  'a probe gets its numbers',
  defaults,
  { [`${C}.livenessProbe`]: { httpGet: { port: 80 } } },
  {
    [`${C}.livenessProbe`]: {
      httpGet: { port: 80, path: '/', scheme: 'HTTP' },
      timeoutSeconds: 1,
      periodSeconds: 10,
      successThreshold: 1,
      failureThreshold: 3,
    },
  },
);
test(
  'a volume without source is an emptyDir',
  defaults,
  { 'spec.volumes': [{ name: 'a' }] },
  { 'spec.volumes': [{ name: 'a', emptyDir: {} }] },
);
test(
  'hostNetwork makes container ports host ports',
  defaults,
  { 'spec.hostNetwork': true, [`${C}.ports`]: [{ containerPort: 80 }] },
  { [`${C}.ports`]: [{ containerPort: 80, hostPort: 80, protocol: 'TCP' }] },
);
test(
  'the old name of the service account is understood',
  defaults,
  { 'spec.serviceAccount': 'x' },
  { 'spec.serviceAccountName': 'x' },
);
