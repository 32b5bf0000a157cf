import test from 'ava';
import type { ExecutionContext } from 'ava';
import { parseAuthorizationConfig } from '../../../src/apiserver/authz/authorization-config.ts';
import type { AuthorizationWebhookOptions } from '../../../src/apiserver/authz/webhook-authorizer.ts';
import type { AuthorizerOption } from '../../../src/apiserver/api-server-options.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { movableClock } from '../../helpers/scenarios.ts';
import { WebhookServer } from '../../helpers/webhook-server.ts';

interface Review {
  spec: { user: string; groups?: string[]; resourceAttributes?: object; nonResourceAttributes?: object };
}

async function start(
  t: ExecutionContext,
  decide: (review: Review) => object | undefined,
  options: Partial<AuthorizationWebhookOptions> = {},
  order: (webhook: AuthorizationWebhookOptions) => AuthorizerOption[] = (webhook) => [
    'Node',
    'RBAC',
    webhook,
  ],
) {
  const server = await WebhookServer.start();
  server.handlers.set('/authorize', ({ body }, response) => {
    const status = decide(body as Review);
    if (status) return { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', status };
    response.writeHead(403).end();
    return undefined;
  });
  const target = { url: server.clientConfig('/authorize').url, caPem: server.caPem };
  const clock = movableClock();
  const plane = await startControlPlane({ clock, server: { authorization: order({ target, ...options }) } });
  const jane = new RawApi(plane, { identity: plane.identity('jane', 'dev') });
  const admin = new RawApi(plane);
  t.teardown(async () => {
    jane.close();
    admin.close();
    await plane.close();
    await server.close();
  });
  return { server, jane, admin, clock };
}

test('a webhook allows what the others have no opinion on; answers are remembered for their time', async (t) => {
  const { server, jane, clock } = await start(t, ({ spec }) => {
    const isSecrets = JSON.stringify(spec).includes('"secrets"');
    return isSecrets ? { allowed: false, reason: 'secrets are secret' } : { allowed: true };
  });
  t.is((await jane.get('/api/v1/namespaces/default/pods')).status, 200);
  t.is((await jane.get('/api/v1/namespaces/default/pods')).status, 200);
  const asked = () => server.to('/authorize').map(({ body }) => (body as Review).spec);
  t.is(asked().length, 1);
  t.deepEqual(asked()[0], {
    resourceAttributes: { namespace: 'default', verb: 'list', version: 'v1', resource: 'pods' },
    user: 'jane',
    groups: ['dev', 'system:authenticated'],
    extra: (asked()[0] as { extra?: object }).extra,
  } as never);
  const refused = await jane.get('/api/v1/namespaces/default/secrets');
  t.is(refused.status, 403);
  t.regex(String(refused.json().message), /secrets is forbidden: .*: secrets are secret$/);
  t.is((await jane.get('/metrics')).status, 200);
  t.deepEqual(asked()[2]?.nonResourceAttributes, { path: '/metrics', verb: 'get' });
  clock.skip(31_000);
  await jane.get('/api/v1/namespaces/default/secrets');
  await jane.get('/api/v1/namespaces/default/pods');
  t.is(asked().length, 4);
});

test('a webhook is told what a list is narrowed to', async (t) => {
  const { server, jane } = await start(t, () => ({ allowed: true }));
  const selectors = 'labelSelector=a%3Db,c+in+(d,e),!f&fieldSelector=spec.nodeName%3Dn1';
  t.is((await jane.get(`/api/v1/pods?${selectors}`)).status, 200);
  const { resourceAttributes } = (server.to('/authorize')[0]!.body as Review).spec;
  t.like(resourceAttributes, {
    labelSelector: {
      requirements: [
        { key: 'a', operator: 'In', values: ['b'] },
        { key: 'c', operator: 'In', values: ['d', 'e'] },
        { key: 'f', operator: 'DoesNotExist' },
      ],
    },
    fieldSelector: { requirements: [{ key: 'spec.nodeName', operator: 'In', values: ['n1'] }] },
  });
});

test('a webhook may deny what others would allow, but not the privileged group', async (t) => {
  const { jane, admin } = await start(
    t,
    () => ({ allowed: false, denied: true, reason: 'closed' }),
    {},
    (webhook) => [webhook, 'RBAC'],
  );
  const refused = await jane.get('/api');
  t.is(refused.status, 403);
  t.regex(String(refused.json().message), /closed/);
  t.is((await admin.get('/api')).status, 200);
});

test('a webhook that is out of order has no opinion, or denies, as is configured', async (t) => {
  const lenient = await start(
    t,
    () => undefined,
    {},
    (webhook) => [webhook, 'RBAC'],
  );
  t.is((await lenient.jane.get('/api')).status, 200);
  const strict = await start(
    t,
    () => undefined,
    { onFailure: 'deny' },
    (webhook) => [webhook, 'RBAC'],
  );
  t.is((await strict.jane.get('/api')).status, 403);
});

test('conditions spare the webhook what is not for it', async (t) => {
  const { server, jane } = await start(t, () => ({ allowed: true }), {
    matchConditions: ["has(request.resourceAttributes) && request.resourceAttributes.resource == 'pods'"],
  });
  t.is((await jane.get('/api/v1/namespaces/default/pods')).status, 200);
  t.is((await jane.get('/api/v1/namespaces/default/secrets')).status, 403);
  t.is((await jane.get('/metrics')).status, 403);
  t.is(server.to('/authorize').length, 1);
});

const reader = {
  target: (file: string) => ({ url: `https://${file}/` }),
  duration: (text: string) => Number(text.replace('s', '')) * 1000,
};
const head = 'apiVersion: apiserver.config.k8s.io/v1\nkind: AuthorizationConfiguration\nauthorizers:\n';

test('the order of a configuration file counts', (t) => {
  const text = `${head}
- type: Webhook
  name: first
  webhook:
    timeout: 3s
    subjectAccessReviewVersion: v1
    failurePolicy: Deny
    authorizedTTL: 10s
    unauthorizedTTL: 20s
    connectionInfo: { type: KubeConfigFile, kubeConfigFile: here }
    matchConditions: [{ expression: 'true' }]
- type: Node
- type: RBAC`;
  t.deepEqual(parseAuthorizationConfig(text, reader), [
    {
      target: { url: 'https://here/' },
      version: 'v1',
      timeoutMs: 3000,
      onFailure: 'deny',
      authorizedTtlMs: 10_000,
      unauthorizedTtlMs: 20_000,
      matchConditions: ['true'],
    },
    'Node',
    'RBAC',
  ]);
});

for (const [text, message] of [
  ['[]', /at least one authorization mode must be defined/],
  ['[{ type: ABAC }]', /authorizers\[0\]\.type: Unsupported value: "ABAC"/],
  ['[{ type: RBAC }, { type: RBAC }]', /authorizers\[1\]\.type: Duplicate value: "RBAC"/],
  ['[{ type: Webhook, name: x }]', /authorizers\[0\]\.webhook: Required value: required when type=Webhook/],
  [
    '[{ type: Webhook, name: x, webhook: { subjectAccessReviewVersion: v1 } }]',
    /webhook\.timeout: Required value/,
  ],
] as const) {
  test(`the authorizers ${text} are refused`, (t) => {
    t.throws(() => parseAuthorizationConfig(head.trimEnd() + ` ${text}`, reader), { message });
  });
}
