import test from 'ava';
import type { Pod } from '../../../src/api/gen/types/core-v1.ts';
import type { AuthorizationAttributes } from '../../../src/apiserver/authorization.ts';
import { NodeAuthorizer } from '../../../src/apiserver/authz/node-authorizer.ts';
import { NodeGraph } from '../../../src/apiserver/authz/node-graph.ts';

const POD: Pod = {
  metadata: { name: 'web', namespace: 'apps' },
  spec: {
    nodeName: 'n1',
    serviceAccountName: 'bot',
    imagePullSecrets: [{ name: 'pull' }],
    containers: [
      {
        name: 'c',
        image: 'a',
        env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 'env', key: 'k' } } }],
        envFrom: [{ configMapRef: { name: 'from' } }],
      },
    ],
    volumes: [
      { name: 'a', secret: { secretName: 'volume' } },
      { name: 'b', persistentVolumeClaim: { claimName: 'disk' } },
      { name: 'c', projected: { sources: [{ configMap: { name: 'projected' } }] } },
      { name: 'd', ephemeral: { volumeClaimTemplate: { spec: {} } } },
    ],
  },
};

function graph(): NodeGraph {
  const made = new NodeGraph();
  made.setPod(POD);
  made.setPod({
    metadata: { name: 'mirror', namespace: 'apps', annotations: { 'kubernetes.io/config.mirror': 'x' } },
    spec: { nodeName: 'n1', containers: [], volumes: [{ name: 'a', secret: { secretName: 'grabbed' } }] },
  });
  made.setVolume({
    metadata: { name: 'pv' },
    spec: {
      claimRef: { namespace: 'apps', name: 'disk' },
      csi: { driver: 'd', volumeHandle: 'h', nodeStageSecretRef: { name: 'stage', namespace: 'csi' } },
    },
  });
  made.setAttachment({ metadata: { name: 'va' }, spec: { nodeName: 'n1', attacher: 'a', source: {} } });
  return made;
}

function asks(
  verb: string,
  resource: string,
  rest: Partial<AuthorizationAttributes> = {},
  node = 'n1',
): AuthorizationAttributes {
  const [plain = '', subresource = ''] = resource.split('/');
  return {
    user: { name: `system:node:${node}`, groups: ['system:nodes'], extra: {} },
    verb,
    isResourceRequest: true,
    group: '',
    version: 'v1',
    resource: plain,
    subresource,
    namespace: 'apps',
    name: '',
    path: '',
    ...rest,
  };
}

const authorizer = new NodeAuthorizer(graph());
const decision = test.macro((t, attributes: AuthorizationAttributes, want: string) => {
  const { decision: found, reason } = authorizer.decide(attributes);
  t.is(found === 'allow' ? 'allow' : reason, want);
});
const NO_WAY = "no relationship found between node 'n1' and this object";

for (const name of ['pull', 'env', 'volume'])
  test(`a node reads the secret ${name} of its pod`, decision, asks('get', 'secrets', { name }), 'allow');
for (const name of ['from', 'projected'])
  test(
    `a node watches the config map ${name} of its pod`,
    decision,
    asks('watch', 'configmaps', { name }),
    'allow',
  );
test('a node reads no other secret', decision, asks('get', 'secrets', { name: 'other' }), NO_WAY);
test(
  'a node reads no secret of another namespace',
  decision,
  asks('get', 'secrets', { name: 'env', namespace: 'other' }),
  NO_WAY,
);
test(
  'another node reads nothing of it',
  decision,
  asks('get', 'secrets', { name: 'env' }, 'n2'),
  "no relationship found between node 'n2' and this object",
);
test('a mirror pod opens no secret', decision, asks('get', 'secrets', { name: 'grabbed' }), NO_WAY);
test('a node lists no secrets', decision, asks('list', 'secrets'), 'No Object name found');
test(
  'a node lists no secrets of the cluster',
  decision,
  asks('list', 'secrets', { namespace: '' }),
  'can only read namespaced object of this type',
);
test(
  'a node writes no secret',
  decision,
  asks('update', 'secrets', { name: 'env' }),
  'can only read resources of this type',
);
test(
  'a node reads the claim of its pod',
  decision,
  asks('get', 'persistentvolumeclaims', { name: 'disk' }),
  'allow',
);
test(
  'a node reads the claim of an ephemeral volume',
  decision,
  asks('get', 'persistentvolumeclaims', { name: 'web-d' }),
  'allow',
);
test(
  'a node reads the volume of that claim',
  decision,
  asks('get', 'persistentvolumes', { name: 'pv', namespace: '' }),
  'allow',
);
test(
  'a node reads the secret of that volume',
  decision,
  asks('get', 'secrets', { name: 'stage', namespace: 'csi' }),
  'allow',
);
test(
  'a node reads its attachments',
  decision,
  asks('get', 'volumeattachments', { group: 'storage.k8s.io', name: 'va', namespace: '' }),
  'allow',
);
test(
  "a node makes tokens for its pods' accounts",
  decision,
  asks('create', 'serviceaccounts/token', { name: 'bot' }),
  'allow',
);
test(
  'a node makes no other tokens',
  decision,
  asks('create', 'serviceaccounts/token', { name: 'default' }),
  NO_WAY,
);
test('a node reads itself', decision, asks('get', 'nodes', { name: 'n1', namespace: '' }), 'allow');
test(
  'a node reads no other node',
  decision,
  asks('get', 'nodes', { name: 'n2', namespace: '' }),
  "node 'n1' cannot read 'n2', only its own Node object",
);
test(
  'a node lists no nodes',
  decision,
  asks('list', 'nodes', { namespace: '' }),
  "node 'n1' cannot read all nodes, only its own Node object",
);
test('a node registers', decision, asks('create', 'nodes', { namespace: '' }), 'allow');
test('a node deletes no node', decision, asks('delete', 'nodes', { name: 'n1', namespace: '' }), '');
test(
  'a node lists its own pods',
  decision,
  asks('list', 'pods', { namespace: '', fieldSelector: 'spec.nodeName=n1' }),
  'allow',
);
test(
  "a node lists no others' pods",
  decision,
  asks('list', 'pods', { namespace: '', fieldSelector: 'spec.nodeName=n2' }),
  'can only list/watch pods with spec.nodeName field selector',
);
test(
  'a node is not fooled by an inequality',
  decision,
  asks('list', 'pods', { namespace: '', fieldSelector: 'spec.nodeName!=n1' }),
  'can only list/watch pods with spec.nodeName field selector',
);
test('a node reads its pod', decision, asks('get', 'pods', { name: 'web' }), 'allow');
test(
  'a node renews its lease',
  decision,
  asks('update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n1' }),
  'allow',
);
test(
  'a node renews no other lease',
  decision,
  asks('update', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-node-lease', name: 'n2' }),
  'can only access node lease with the same name as the requesting node',
);
test(
  'a node keeps out of other leases',
  decision,
  asks('get', 'leases', { group: 'coordination.k8s.io', namespace: 'kube-system', name: 'n1' }),
  'can only access leases in the "kube-node-lease" system namespace',
);
test('a node lists services', decision, asks('list', 'services', { namespace: '' }), 'allow');
test('a node writes events', decision, asks('create', 'events'), 'allow');
test(
  'a node changes no deployment',
  decision,
  asks('update', 'deployments', { group: 'apps', name: 'x' }),
  '',
);

test('a pod that goes takes its references with it', (t) => {
  const made = graph();
  const node = new NodeAuthorizer(made);
  t.is(node.decide(asks('get', 'secrets', { name: 'env' })).decision, 'allow');
  made.deletePod('apps', 'web');
  t.is(node.decide(asks('get', 'secrets', { name: 'env' })).decision, 'noOpinion');
});

test('someone outside of system:nodes is no node', (t) => {
  const question = {
    ...asks('get', 'secrets', { name: 'env' }),
    user: { name: 'system:node:n1', groups: [], extra: {} },
  };
  t.is(authorizer.decide(question).decision, 'noOpinion');
});
