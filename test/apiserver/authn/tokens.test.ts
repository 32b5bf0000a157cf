import { generateKeyPairSync } from 'node:crypto';
import test from 'ava';
import type { KubeObject } from '../../../src/api/resource.ts';
import { BootstrapTokens } from '../../../src/apiserver/authn/bootstrap-tokens.ts';
import { impersonate } from '../../../src/apiserver/authn/impersonation.ts';
import { jwtKey, peekJwt, signJwt, verifyJwt } from '../../../src/apiserver/authn/jwt.ts';
import { jsonWebKeys } from '../../../src/apiserver/authn/openid.ts';
import { ServiceAccountTokens } from '../../../src/apiserver/authn/service-account-tokens.ts';
import { TokenIssuer } from '../../../src/apiserver/authn/token-issuer.ts';
import type { Authorizer } from '../../../src/apiserver/authorization.ts';
import type { ObjectReader } from '../../../src/apiserver/object-store.ts';
import { createClock } from '../../helpers/fake-clock.ts';

const EC = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const NOW = Date.parse('2026-01-02T03:04:05Z');

function reader(objects: Record<string, KubeObject>): ObjectReader {
  const find = (resource: { resource: string }, name: string, namespace = '') =>
    Promise.resolve(objects[`${resource.resource}/${namespace}/${name}`] as never);
  return { get: find, getFresh: find, list: () => Promise.resolve([]) };
}

const account = (uid = 'u1'): KubeObject => ({ metadata: { name: 'bot', namespace: 'apps', uid } });

function setup(objects: Record<string, KubeObject>) {
  const clock = createClock(NOW);
  const issuer = new TokenIssuer({ issuer: ISSUER, privateKey: EC.privateKey, clock });
  const tokens = new ServiceAccountTokens({
    issuers: [ISSUER],
    keys: [jwtKey(EC.publicKey)],
    apiAudiences: [ISSUER],
    reader: reader(objects),
    clock,
  });
  const issue = (binding: object = {}, audiences = [ISSUER]) =>
    issuer.issue({
      namespace: 'apps',
      serviceAccount: { name: 'bot', uid: 'u1' },
      audiences,
      expirationSeconds: 3600,
      binding,
    }).token;
  return { clock, tokens, issue };
}

for (const [name, pair] of [
  ['ES256', EC],
  ['RS256', RSA],
] as const) {
  test(`a ${name} token is verified by its key alone`, (t) => {
    const key = jwtKey(pair.publicKey);
    const token = signJwt({ a: 1 }, pair.privateKey, key);
    t.deepEqual(verifyJwt(token, [key]), { a: 1 });
    const other = jwtKey(pair === EC ? RSA.publicKey : EC.publicKey);
    t.is(verifyJwt(token, [other]), undefined);
    t.is(verifyJwt(`${token}x`, [key]), undefined);
    const [head, , signature] = token.split('.');
    const forged = `${head}.${Buffer.from('{"a":2}').toString('base64url')}.${signature}`;
    t.is(verifyJwt(forged, [key]), undefined);
  });
}

test('a token cannot choose its algorithm', (t) => {
  const key = jwtKey(EC.publicKey);
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  t.is(verifyJwt(`${part({ alg: 'none', kid: key.id })}.${part({ a: 1 })}.`, [key]), undefined);
  t.is(verifyJwt(`${part({ alg: 'HS256', kid: key.id })}.${part({ a: 1 })}.AAAA`, [key]), undefined);
});

test('the published keys carry the id and algorithm of the tokens', (t) => {
  const key = jwtKey(EC.publicKey);
  const { keys } = jsonWebKeys([key]) as { keys: Array<Record<string, string>> };
  t.like(keys[0], { kid: key.id, alg: 'ES256', use: 'sig', kty: 'EC', crv: 'P-256' });
  t.falsy(keys[0]?.['d']);
});

test('a token names its account, with groups and an id of its own', async (t) => {
  const { tokens, issue } = setup({ 'serviceaccounts/apps/bot': account() });
  const token = issue();
  const found = await tokens.authenticate(token, []);
  t.like(found?.user, {
    name: 'system:serviceaccount:apps:bot',
    uid: 'u1',
    groups: ['system:serviceaccounts', 'system:serviceaccounts:apps'],
  });
  t.deepEqual(found?.audiences, [ISSUER]);
  t.is(
    found?.user.extra['authentication.kubernetes.io/credential-id']?.[0],
    `JTI=${String(peekJwt(token)?.['jti'])}`,
  );
});

test('a token bound to a pod tells the pod and its node', async (t) => {
  const pod = { metadata: { name: 'p', namespace: 'apps', uid: 'p1' } };
  const { tokens, issue } = setup({ 'serviceaccounts/apps/bot': account(), 'pods/apps/p': pod });
  const token = issue({ pod: { name: 'p', uid: 'p1' }, node: { name: 'n1', uid: 'n' } });
  const found = await tokens.authenticate(token, []);
  t.like(found?.user.extra, {
    'authentication.kubernetes.io/pod-name': ['p'],
    'authentication.kubernetes.io/pod-uid': ['p1'],
    'authentication.kubernetes.io/node-name': ['n1'],
    'authentication.kubernetes.io/node-uid': ['n'],
  });
});

const refusedToken = test.macro(
  async (t, objects: Record<string, KubeObject>, binding: object, advanceMs: number, message: RegExp) => {
    const { tokens, issue, clock } = setup(objects);
    const token = issue(binding);
    await clock.advance(advanceMs);
    await t.throwsAsync(tokens.authenticate(token, []), { message });
  },
);
const POD = { pod: { name: 'p', uid: 'p1' } };
const LIVING = { 'serviceaccounts/apps/bot': account() };
test('a token without its account is refused', refusedToken, {}, {}, 0, /service account bot does not exist/);
test(
  'a token of an earlier account of that name is refused',
  refusedToken,
  { 'serviceaccounts/apps/bot': account('u2') },
  {},
  0,
  /UID \(u2\) does not match/,
);
test('a token of a pod that is gone is refused', refusedToken, LIVING, POD, 0, /pod p does not exist/);
test(
  'a token of an earlier pod of that name is refused',
  refusedToken,
  { ...LIVING, 'pods/apps/p': { metadata: { uid: 'p2' } } },
  POD,
  0,
  /does not match the claim/,
);
test('an expired token is refused', refusedToken, LIVING, {}, 3_600_000 + 61_000, /has expired/);
test(
  'a token of a pod deleted long ago is refused',
  refusedToken,
  { ...LIVING, 'pods/apps/p': { metadata: { uid: 'p1', deletionTimestamp: '2026-01-02T03:00:00Z' } } },
  POD,
  0,
  /has been invalidated/,
);

test('a token for another audience is refused here and accepted there', async (t) => {
  const { tokens, issue } = setup(LIVING);
  const token = issue({}, ['vault']);
  await t.throwsAsync(tokens.authenticate(token, []), { message: /audiences/ });
  t.deepEqual((await tokens.authenticate(token, ['vault', 'other']))?.audiences, ['vault']);
});

test("someone else's token is none of ours", async (t) => {
  const { tokens } = setup(LIVING);
  const token = signJwt({ iss: 'https://elsewhere' }, EC.privateKey, jwtKey(EC.publicKey));
  t.is(await tokens.authenticate(token, []), undefined);
  t.is(await tokens.authenticate('abcdef.0123456789abcdef', []), undefined);
});

const SECRET: Record<string, string> = {
  'token-id': 'abcdef',
  'token-secret': '0123456789abcdef',
  'usage-bootstrap-authentication': 'true',
  'auth-extra-groups': 'system:bootstrappers:kubeadm:default-node-token',
};

function bootstrap(changes: Record<string, string>, extra: object = {}) {
  const data = Object.fromEntries(
    Object.entries({ ...SECRET, ...changes }).map(([name, value]) => [
      name,
      Buffer.from(value).toString('base64'),
    ]),
  );
  const secret = { type: 'bootstrap.kubernetes.io/token', metadata: {}, data, ...extra } as KubeObject;
  const objects = { 'secrets/kube-system/bootstrap-token-abcdef': secret };
  return new BootstrapTokens({ reader: reader(objects), clock: createClock(NOW) });
}

test('a bootstrap token names its groups', async (t) => {
  const found = await bootstrap({}).authenticate('abcdef.0123456789abcdef');
  t.deepEqual(found?.user, {
    name: 'system:bootstrap:abcdef',
    groups: ['system:bootstrappers', 'system:bootstrappers:kubeadm:default-node-token'],
    extra: {},
  });
});

const refusedBootstrap = test.macro(
  async (t, changes: Record<string, string>, token: string, extra: object = {}) => {
    t.is(await bootstrap(changes, extra).authenticate(token), undefined);
  },
);
const GOOD = 'abcdef.0123456789abcdef';
test('another secret part is refused', refusedBootstrap, {}, 'abcdef.0123456789abcdee');
test('a shorter token is refused', refusedBootstrap, {}, 'abcdef.0123456789');
test('an unknown id is refused', refusedBootstrap, {}, 'ghijkl.0123456789abcdef');
test('an expired one is refused', refusedBootstrap, { expiration: '2026-01-01T00:00:00Z' }, GOOD);
test('one whose time cannot be read is refused', refusedBootstrap, { expiration: 'soon' }, GOOD);
test('one for another use is refused', refusedBootstrap, { 'usage-bootstrap-authentication': 'false' }, GOOD);
test(
  'one with a foreign group is refused',
  refusedBootstrap,
  { 'auth-extra-groups': 'system:masters' },
  GOOD,
);
test('a secret of another type is refused', refusedBootstrap, {}, GOOD, { type: 'Opaque' });
test('a secret that is being deleted is refused', refusedBootstrap, {}, GOOD, {
  metadata: { deletionTimestamp: '2026-01-02T00:00:00Z' },
});

test('impersonation asks for every part', async (t) => {
  const asked: string[] = [];
  const authorizer: Authorizer = {
    authorize: ({ verb, group, resource, subresource, namespace, name }) => {
      asked.push([verb, group, resource, subresource, namespace, name].join('|'));
      return Promise.resolve({ decision: 'allow', reason: '' });
    },
  };
  const asker = { name: 'admin', groups: [], extra: {} };
  const user = await impersonate(
    asker,
    {
      'impersonate-user': 'ann',
      'impersonate-group': 'dev',
      'impersonate-extra-scopes': 'view',
      'impersonate-uid': '7',
    },
    authorizer,
  );
  t.deepEqual(user, {
    name: 'ann',
    uid: '7',
    groups: ['dev', 'system:authenticated'],
    extra: { scopes: ['view'] },
  });
  t.deepEqual(asked, [
    'impersonate||users|||ann',
    'impersonate||groups|||dev',
    'impersonate|authentication.k8s.io|userextras|scopes||view',
    'impersonate|authentication.k8s.io|uids|||7',
  ]);
  const bot = await impersonate(asker, { 'impersonate-user': 'system:serviceaccount:apps:bot' }, authorizer);
  t.deepEqual(bot.groups, ['system:serviceaccounts', 'system:serviceaccounts:apps', 'system:authenticated']);
  t.is(asked.at(-1), 'impersonate||serviceaccounts||apps|bot');
});

test('impersonation that is refused is a 403', async (t) => {
  const authorizer: Authorizer = { authorize: () => Promise.resolve({ decision: 'noOpinion', reason: '' }) };
  await t.throwsAsync(
    impersonate({ name: 'eve', groups: [], extra: {} }, { 'impersonate-user': 'ann' }, authorizer),
    {
      message:
        'users "ann" is forbidden: User "eve" cannot impersonate resource "users" in API group "" at the cluster scope',
    },
  );
});
