import test from 'ava';
import type { KubeObject, ResourceInfo } from '../../../src/api/resource.ts';
import {
  CERTIFICATESIGNINGREQUESTS,
  CONFIGMAPS,
  LEASES,
  NAMESPACES,
  NODES,
  PERSISTENTVOLUMECLAIMS,
  PODS,
  PRIORITYCLASSES,
  SERVICEACCOUNTS,
} from '../../../src/api/gen/resources.ts';
import type { Pod } from '../../../src/api/gen/types/core-v1.ts';
import { systemClock } from '../../../src/base/clock.ts';
import type { AdmissionAttributes, AdmissionOperation } from '../../../src/apiserver/admission-plugin.ts';
import { admissionPlugins } from '../../../src/apiserver/admission/plugins.ts';
import type { Authorizer } from '../../../src/apiserver/authorization.ts';
import type { ObjectStore } from '../../../src/apiserver/object-store.ts';
import type { RequestContext } from '../../../src/apiserver/request-context.ts';
import { createCertificateRequest } from '../../../src/pki/issue.ts';
import { generateKeyPair } from '../../../src/pki/keys.ts';

interface Operation {
  plugin: string;
  operation?: AdmissionOperation;
  resource: ResourceInfo;
  subresource?: string;
  name?: string;
  namespace?: string;
  object?: KubeObject;
  old?: KubeObject;
  user?: string;
  allow?: boolean;
  /** What the store holds, by `resource/namespace/name`. */
  stored?: Record<string, KubeObject>;
}

/** Runs one plugin over one operation and returns the object as it left it. */
async function review(given: Operation): Promise<KubeObject | undefined> {
  const stored = given.stored ?? {};
  const authorizer: Authorizer = {
    authorize: () => Promise.resolve({ decision: given.allow ? 'allow' : 'noOpinion', reason: '' }),
  };
  const none = { name: 'none', handles: () => false };
  const others = { mutatingPlugin: none, validatingPlugin: none };
  const plugin = admissionPlugins({
    authorizer,
    clock: systemClock,
    random: () => 0,
    webhooks: others,
    policies: others,
  }).find(({ name }) => name === given.plugin);
  if (!plugin) throw new Error(`no plugin ${given.plugin}`);
  const find = (resource: ResourceInfo, name: string, namespace = '') =>
    Promise.resolve(stored[`${resource.resource}/${namespace}/${name}`]);
  const list = (resource: ResourceInfo) =>
    Promise.resolve(
      Object.entries(stored)
        .filter(([key]) => key.startsWith(`${resource.resource}/`))
        .map(([, object]) => object),
    );
  const store = { get: find, getFresh: find, list } as unknown as ObjectStore;
  const [name = '', ...groups] = (given.user ?? 'admin').split(' ');
  const attributes: AdmissionAttributes = {
    operation: given.operation ?? 'CREATE',
    resource: given.resource,
    subresource: given.subresource ?? '',
    namespace: given.namespace ?? 'default',
    name: given.name ?? given.object?.metadata?.name ?? '',
    object: given.object && (JSON.parse(JSON.stringify(given.object)) as KubeObject),
    oldObject: given.old,
    options: undefined,
    context: { user: { name, groups, extra: {} }, http: {} } as unknown as RequestContext,
  };
  if (!plugin.handles(attributes)) return attributes.object;
  await plugin.admit?.(attributes, store);
  await plugin.validate?.(attributes, store);
  return attributes.object;
}

const refused = test.macro(async (t, operation: Operation, message: string) => {
  const error = await t.throwsAsync(review(operation));
  t.is(error?.message, message);
});
const allowed = test.macro(async (t, operation: Operation) => {
  await t.notThrowsAsync(review(operation));
});

const ACTIVE = { 'namespaces//default': { status: { phase: 'Active' } } as KubeObject };
const ENDING = { 'namespaces//default': { status: { phase: 'Terminating' } } as KubeObject };
const CONFIG: KubeObject = { metadata: { name: 'a' } };
const lifecycle = (rest: Partial<Operation>): Operation => ({
  plugin: 'NamespaceLifecycle',
  resource: CONFIGMAPS,
  object: CONFIG,
  ...rest,
});
test('a namespace that lives takes objects', allowed, lifecycle({ stored: ACTIVE }));
test('a namespace that is not there takes none', refused, lifecycle({}), 'namespaces "default" not found');
test(
  'a namespace that ends takes none',
  refused,
  lifecycle({ stored: ENDING }),
  'configmaps "a" is forbidden: unable to create new content in namespace default because it is being terminated',
);
test(
  'a namespace that ends lets objects be updated',
  allowed,
  lifecycle({ stored: ENDING, operation: 'UPDATE', old: CONFIG }),
);
for (const name of ['default', 'kube-system', 'kube-public']) {
  test(
    `the namespace ${name} stays`,
    refused,
    { plugin: 'NamespaceLifecycle', operation: 'DELETE', resource: NAMESPACES, name, namespace: '' },
    `namespaces "${name}" is forbidden: this namespace may not be deleted`,
  );
}
test('other namespaces may go', allowed, {
  plugin: 'NamespaceLifecycle',
  operation: 'DELETE',
  resource: NAMESPACES,
  name: 'mine',
  namespace: '',
});

const POD: Pod = { metadata: { name: 'web' }, spec: { containers: [{ name: 'c', image: 'a' }] } };
const ACCOUNT = { 'serviceaccounts/default/default': { imagePullSecrets: [{ name: 'pull' }] } as KubeObject };
test('a pod gets the default account, its token and pull secrets', async (t) => {
  const pod = (await review({
    plugin: 'ServiceAccount',
    resource: PODS,
    object: POD,
    stored: ACCOUNT,
  })) as Pod;
  t.is(pod.spec?.serviceAccountName, 'default');
  t.deepEqual(pod.spec?.imagePullSecrets, [{ name: 'pull' }]);
  const name = 'kube-api-access-bbbbb';
  t.deepEqual(pod.spec?.containers[0]?.volumeMounts, [
    { name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ]);
  t.deepEqual(pod.spec?.volumes, [
    {
      name,
      projected: {
        defaultMode: 420,
        sources: [
          { serviceAccountToken: { expirationSeconds: 3607, path: 'token' } },
          { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
          {
            downwardAPI: {
              items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
            },
          },
        ],
      },
    },
  ]);
});
test('a pod that wants no token gets none', async (t) => {
  const object = { ...POD, spec: { ...POD.spec, automountServiceAccountToken: false } } as Pod;
  const pod = (await review({ plugin: 'ServiceAccount', resource: PODS, object, stored: ACCOUNT })) as Pod;
  t.is(pod.spec?.volumes, undefined);
});
test(
  'an account that is not there is told',
  refused,
  {
    plugin: 'ServiceAccount',
    resource: PODS,
    object: { ...POD, spec: { ...POD.spec, serviceAccountName: 'bot' } } as Pod,
  },
  'pods "web" is forbidden: error looking up service account default/bot: serviceaccount "bot" not found',
);
test(
  'a mirror pod has no account',
  refused,
  {
    plugin: 'ServiceAccount',
    resource: PODS,
    object: {
      metadata: { name: 'web', annotations: { 'kubernetes.io/config.mirror': 'x' } },
      spec: { ...POD.spec, serviceAccountName: 'bot' },
    } as Pod,
  },
  'pods "web" is forbidden: a mirror pod may not reference service accounts',
);

test('a pod stays five minutes on a failing node', async (t) => {
  const pod = (await review({ plugin: 'DefaultTolerationSeconds', resource: PODS, object: POD })) as Pod;
  const stays = (key: string) => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 });
  t.deepEqual(pod.spec?.tolerations, [
    stays('node.kubernetes.io/not-ready'),
    stays('node.kubernetes.io/unreachable'),
  ]);
  const tolerant = { ...POD, spec: { ...POD.spec, tolerations: [{ operator: 'Exists' }] } } as Pod;
  const same = (await review({
    plugin: 'DefaultTolerationSeconds',
    resource: PODS,
    object: tolerant,
  })) as Pod;
  t.deepEqual(same.spec?.tolerations, [{ operator: 'Exists' }]);
});

const CLASSES = {
  'priorityclasses//high': {
    metadata: { name: 'high' },
    value: 1000,
    preemptionPolicy: 'Never',
  } as KubeObject,
  'priorityclasses//usual': { metadata: { name: 'usual' }, value: 7, globalDefault: true } as KubeObject,
};
const withSpec = (spec: object): Pod => ({ ...POD, spec: { ...POD.spec, ...spec } }) as Pod;
test("a pod gets its class's priority", async (t) => {
  const object = withSpec({ priorityClassName: 'high' });
  const pod = (await review({ plugin: 'Priority', resource: PODS, object, stored: CLASSES })) as Pod;
  t.like(pod.spec, { priority: 1000, preemptionPolicy: 'Never' });
});
test('a pod without a class gets the default one', async (t) => {
  const pod = (await review({ plugin: 'Priority', resource: PODS, object: POD, stored: CLASSES })) as Pod;
  t.like(pod.spec, { priority: 7, priorityClassName: 'usual', preemptionPolicy: 'PreemptLowerPriority' });
});
test('without a default the priority is zero', async (t) => {
  const pod = (await review({ plugin: 'Priority', resource: PODS, object: POD })) as Pod;
  t.like(pod.spec, { priority: 0, priorityClassName: undefined });
});
test(
  'an unknown class is refused',
  refused,
  { plugin: 'Priority', resource: PODS, object: withSpec({ priorityClassName: 'x' }) },
  'pods "web" is forbidden: no PriorityClass with name x was found',
);
test(
  'a priority by number is refused',
  refused,
  { plugin: 'Priority', resource: PODS, object: withSpec({ priority: 5 }) },
  'pods "web" is forbidden: the integer value of priority (5) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name',
);
test(
  'there is one default class',
  refused,
  {
    plugin: 'Priority',
    resource: PRIORITYCLASSES,
    namespace: '',
    object: { metadata: { name: 'b' }, value: 1, globalDefault: true } as KubeObject,
    stored: CLASSES,
  },
  'priorityclasses.scheduling.k8s.io "b" is forbidden: PriorityClass usual is already marked as default. Only one default can exist',
);

test('a new node takes no pods yet', async (t) => {
  const node = await review({
    plugin: 'TaintNodesByCondition',
    resource: NODES,
    namespace: '',
    object: { metadata: { name: 'n' } },
  });
  t.deepEqual((node as { spec?: unknown }).spec, {
    taints: [{ key: 'node.kubernetes.io/not-ready', effect: 'NoSchedule' }],
  });
});
test('a claim is protected', async (t) => {
  const claim = await review({
    plugin: 'StorageObjectInUseProtection',
    resource: PERSISTENTVOLUMECLAIMS,
    object: { metadata: { name: 'c' } },
  });
  t.deepEqual(claim?.metadata?.finalizers, ['kubernetes.io/pvc-protection']);
});
test('a claim gets the newest default class', async (t) => {
  const marked = { 'storageclass.kubernetes.io/is-default-class': 'true' };
  const stored = {
    'storageclasses//old': {
      metadata: { name: 'old', annotations: marked, creationTimestamp: '2026-01-01T00:00:00Z' },
    },
    'storageclasses//new': {
      metadata: { name: 'new', annotations: marked, creationTimestamp: '2026-01-02T00:00:00Z' },
    },
  };
  const object = { metadata: { name: 'c' }, spec: {} } as KubeObject;
  const claim = await review({
    plugin: 'DefaultStorageClass',
    resource: PERSISTENTVOLUMECLAIMS,
    object,
    stored,
  });
  t.is((claim as { spec: { storageClassName?: string } }).spec.storageClassName, 'new');
});
test(
  'an unknown runtime class is refused',
  refused,
  { plugin: 'RuntimeClass', resource: PODS, object: withSpec({ runtimeClassName: 'x' }) },
  'pods "web" is forbidden: pod rejected: RuntimeClass "x" not found',
);

const NODE_USER = 'system:node:n1 system:nodes';
const node = (rest: Partial<Operation>): Operation => ({
  plugin: 'NodeRestriction',
  resource: NODES,
  namespace: '',
  user: NODE_USER,
  ...rest,
});
const labelled = (labels: Record<string, string>): KubeObject => ({ metadata: { name: 'n1', labels } });
test(
  'a node registers itself with its own labels',
  allowed,
  node({ object: labelled({ 'kubernetes.io/hostname': 'n1', 'node.kubernetes.io/x': 'y', mine: 'z' }) }),
);
test(
  'a node registers no other',
  refused,
  node({ object: { metadata: { name: 'n2' } } }),
  'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"',
);
test(
  'a node takes no role',
  refused,
  node({ object: labelled({ 'node-role.kubernetes.io/control-plane': '' }) }),
  'nodes "n1" is forbidden: node "n1" is not allowed to set the following labels: node-role.kubernetes.io/control-plane',
);
test(
  'a node sets no restricted label',
  refused,
  node({
    operation: 'UPDATE',
    object: labelled({ 'node-restriction.kubernetes.io/a': 'b' }),
    old: labelled({}),
  }),
  'nodes "n1" is forbidden: is not allowed to modify labels: node-restriction.kubernetes.io/a',
);
test(
  'a node keeps its taints',
  refused,
  node({
    operation: 'UPDATE',
    object: { ...labelled({}), spec: {} } as KubeObject,
    old: { ...labelled({}), spec: { taints: [{ key: 'a', effect: 'NoSchedule' }] } } as KubeObject,
  }),
  'nodes "n1" is forbidden: node "n1" is not allowed to modify taints',
);
test(
  'a node creates mirror pods alone',
  refused,
  node({ resource: PODS, namespace: 'default', object: POD }),
  'pods "web" is forbidden: pod does not have "kubernetes.io/config.mirror" annotation, node "n1" can only create mirror pods',
);
test(
  'a node reports on its own pods',
  allowed,
  node({
    resource: PODS,
    subresource: 'status',
    operation: 'UPDATE',
    object: withSpec({ nodeName: 'n1' }),
    old: withSpec({ nodeName: 'n1' }),
  }),
);
test(
  "a node reports on no others' pods",
  refused,
  node({
    resource: PODS,
    subresource: 'status',
    operation: 'UPDATE',
    object: withSpec({ nodeName: 'n2' }),
    old: withSpec({ nodeName: 'n2' }),
  }),
  'pods "web" is forbidden: node "n1" can only update pod status for pods with spec.nodeName set to itself',
);
test(
  "a node deletes no others' pods",
  refused,
  node({
    resource: PODS,
    operation: 'DELETE',
    name: 'web',
    namespace: 'default',
    stored: { 'pods/default/web': withSpec({ nodeName: 'n2' }) },
  }),
  'pods "web" is forbidden: node "n1" can only delete pods with spec.nodeName set to itself',
);
test(
  'a node runs no exec',
  refused,
  node({ resource: PODS, subresource: 'binding', object: CONFIG }),
  'pods "a" is forbidden: unexpected pod subresource "binding", only \'status\' and \'eviction\' are allowed',
);
test(
  'a node makes its lease',
  allowed,
  node({ resource: LEASES, namespace: 'kube-node-lease', object: { metadata: { name: 'n1' } } }),
);
test(
  'a node makes no other lease',
  refused,
  node({ resource: LEASES, namespace: 'kube-node-lease', object: { metadata: { name: 'n2' } } }),
  'leases.coordination.k8s.io "n2" is forbidden: can only access node lease with the same name as the requesting node',
);
const token = (ref: object | undefined, audiences: string[] = []): KubeObject =>
  ({ spec: { audiences, boundObjectRef: ref } }) as KubeObject;
const TOKEN_POD = {
  'pods/default/web': {
    metadata: { name: 'web', uid: 'p1' },
    spec: {
      nodeName: 'n1',
      containers: [],
      volumes: [
        {
          name: 'a',
          projected: {
            sources: [
              { serviceAccountToken: { path: 't' } },
              { serviceAccountToken: { path: 'v', audience: 'vault' } },
            ],
          },
        },
      ],
    },
  } as KubeObject,
};
const tokens = (object: KubeObject, stored = TOKEN_POD): Operation =>
  node({
    resource: SERVICEACCOUNTS,
    subresource: 'token',
    name: 'bot',
    namespace: 'default',
    object,
    stored,
  });
const REF = { apiVersion: 'v1', kind: 'Pod', name: 'web', uid: 'p1' };
test('a node gets a token for its pod', allowed, tokens(token(REF)));
test('a node gets the audience that a volume asks for', allowed, tokens(token(REF, ['vault'])));
test(
  'a node gets no other audience',
  refused,
  tokens(token(REF, ['bank'])),
  'serviceaccounts "bot" is forbidden: audience "bank" not found in pod spec volume, system:node:n1 is not authorized to request tokens for this audience',
);
test(
  'a node gets no token without a pod',
  refused,
  tokens(token(undefined)),
  'serviceaccounts "bot" is forbidden: node requested token not bound to a pod',
);
test(
  'a node gets no token for an earlier pod',
  refused,
  tokens(token({ ...REF, uid: 'p0' })),
  'serviceaccounts "bot" is forbidden: the UID in the bound object reference (p0) does not match the UID in record. The object might have been deleted and then recreated',
);
test('others are not restricted', allowed, node({ user: 'admin', object: { metadata: { name: 'n2' } } }));

const CSR = { metadata: { name: 'r' }, spec: { signerName: 'example.com/x' } } as KubeObject;
const csr = (rest: Partial<Operation>): Operation => ({
  plugin: 'CertificateApproval',
  resource: CERTIFICATESIGNINGREQUESTS,
  namespace: '',
  operation: 'UPDATE',
  object: CSR,
  old: CSR,
  ...rest,
});
test(
  'approving takes a right',
  refused,
  csr({ subresource: 'approval' }),
  'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to approve requests with signerName "example.com/x"',
);
test('who has it may approve', allowed, csr({ subresource: 'approval', allow: true }));
test(
  'signing takes a right',
  refused,
  csr({
    plugin: 'CertificateSigning',
    subresource: 'status',
    object: { ...CSR, status: { certificate: 'x' } } as KubeObject,
  }),
  'certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to sign requests with signerName "example.com/x"',
);
const keys = generateKeyPair();
const request = (organizations: string[], signerName: string): KubeObject => {
  const pem = createCertificateRequest({ commonName: 'x', organizations, keyPem: keys.privateKeyPem });
  return {
    metadata: { name: 'r' },
    spec: { signerName, request: Buffer.from(pem).toString('base64') },
  } as KubeObject;
};
test(
  'nobody asks to be a master',
  refused,
  {
    plugin: 'CertificateSubjectRestriction',
    resource: CERTIFICATESIGNINGREQUESTS,
    namespace: '',
    object: request(['system:masters'], 'kubernetes.io/kube-apiserver-client'),
  },
  'certificatesigningrequests.certificates.k8s.io "r" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed',
);
test('others may ask', allowed, {
  plugin: 'CertificateSubjectRestriction',
  resource: CERTIFICATESIGNINGREQUESTS,
  namespace: '',
  object: request(['dev'], 'kubernetes.io/kube-apiserver-client'),
});
