import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { AuthenticationOptions } from '../../../src/apiserver/api-server-options.ts';
import {
  issuerOfFlags,
  parseAuthenticationConfig,
} from '../../../src/apiserver/authn/authentication-config.ts';
import type { OidcFlags } from '../../../src/apiserver/authn/authentication-config.ts';
import type { JwtIssuer } from '../../../src/apiserver/authn/oidc/jwt-issuer.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { OidcIssuer } from '../../helpers/oidc-issuer.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { movableClock } from '../../helpers/scenarios.ts';
import { WebhookServer } from '../../helpers/webhook-server.ts';

interface Who {
  username: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

/** A server with these ways in, and the way to ask it who a token is. */
async function start(t: ExecutionContext, authentication: AuthenticationOptions) {
  const clock = movableClock();
  const plane = await startControlPlane({ clock, server: { authentication } });
  const anonymous = new RawApi(plane, { identity: null });
  const admin = new RawApi(plane);
  t.teardown(async () => {
    anonymous.close();
    admin.close();
    await plane.close();
  });
  const who = async (token: string): Promise<Who | undefined> => {
    const answer = await anonymous.request('POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
      body: { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' },
      headers: { authorization: `Bearer ${token}` },
    });
    if (answer.status === 401) return undefined;
    return (answer.json().status as { userInfo: Who }).userInfo;
  };
  /** What a TokenReview says is wrong. */
  const review = async (token: string, audiences?: string[]) => {
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token, ...(audiences ? { audiences } : {}) },
    };
    const answer = await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', body);
    return answer.json().status as { authenticated?: boolean; error?: string; audiences?: string[] };
  };
  return { plane, anonymous, who, review, clock };
}

async function issuer(t: ExecutionContext): Promise<OidcIssuer> {
  const made = await OidcIssuer.start();
  t.teardown(() => made.close());
  return made;
}

function flags(made: OidcIssuer, more: Partial<OidcFlags> = {}): JwtIssuer {
  return issuerOfFlags({ issuerUrl: made.url, clientId: 'slipway', caPem: made.server.caPem, ...more });
}

test('an ID token is its subject under the name of the issuer; the claims that flags name count', async (t) => {
  const made = await issuer(t);
  const plain = await start(t, { jwt: [flags(made)] });
  const subject = await plain.who(made.token());
  t.is(subject?.username, `${made.url}#jane`);
  t.deepEqual(subject?.groups, ['system:authenticated']);
  const named = await start(t, {
    jwt: [
      flags(made, {
        usernameClaim: 'email',
        groupsClaim: 'roles',
        groupsPrefix: 'oidc:',
        requiredClaims: { tenant: 'blue' },
      }),
    ],
  });
  const claims = { email: 'jane@example.com', roles: ['dev', 'ops'], tenant: 'blue', jti: 'j1' };
  const who = await named.who(made.token(claims));
  t.is(who?.username, 'jane@example.com');
  t.deepEqual(who?.groups, ['oidc:dev', 'oidc:ops', 'system:authenticated']);
  t.deepEqual(who?.extra, { 'authentication.kubernetes.io/credential-id': ['JTI=j1'] });
  t.deepEqual((await named.who(made.token({ ...claims, roles: 'one' })))?.groups[0], 'oidc:one');
  t.is((await named.who(made.token({ ...claims, email_verified: true })))?.username, 'jane@example.com');
  for (const [wrong, error] of [
    [{ ...claims, email_verified: false }, /oidc: email not verified/],
    [{ ...claims, tenant: 'red' }, /required claim tenant value does not match\. Got = red, want = blue/],
    [{ ...claims, tenant: undefined }, /required claim tenant not present in ID token/],
    [{ ...claims, email: undefined }, /oidc: parse username claims "email": claim not present/],
    [{ ...claims, aud: 'another' }, /oidc: expected audience in \["slipway"\] got \["another"\]/],
    [{ ...claims, exp: 1 }, /oidc: token is expired/],
  ] as const) {
    t.is(await named.who(made.token(wrong)), undefined);
    t.regex((await named.review(made.token(wrong))).error ?? '', error);
  }
});

test('only a signature of one of the issuer’s keys, with an algorithm that is allowed, counts', async (t) => {
  const made = await issuer(t);
  const { who, clock } = await start(t, {
    jwt: [flags(made, { signingAlgorithms: ['RS256', 'ES256', 'PS256'] })],
  });
  t.truthy(await who(made.token()));
  const [, payload = ''] = made.token().split('.');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  t.is(await who(`${none}.${payload}.`), undefined);
  const [head = '', body = '', signature = ''] = made.token().split('.');
  const other = Buffer.from(body, 'base64url').toString().replace('jane', 'root');
  t.is(await who(`${head}.${Buffer.from(other).toString('base64url')}.${signature}`), undefined);
  const stranger = await issuer(t);
  t.is(await who(stranger.token({ iss: made.url })), undefined);
  // A key that is new at the issuer is found; one of a kind that is not allowed is of no use.
  for (const [algorithm, isGood] of [
    ['ES256', true],
    ['PS256', true],
    ['ES384', false],
  ] as const) {
    const key = made.addKey(algorithm);
    clock.skip(made.keys.length * 60_000);
    t.is((await who(made.token({}, key))) !== undefined, isGood, algorithm);
  }
  // A token may not choose another algorithm than its key's.
  t.is(await who(made.token({}, made.keys[0], { alg: 'PS256' })), undefined);
});

test('keys that are replaced without a new name are found', async (t) => {
  const made = await issuer(t);
  const { who, clock } = await start(t, { jwt: [flags(made)] });
  const [old] = made.keys;
  t.truthy(await who(made.token({}, old)));
  made.keys = [];
  const key = { ...made.addKey('RS256'), kid: old!.kid };
  made.keys = [key];
  t.is(await who(made.token({}, key)), undefined, 'it was asked a moment ago');
  clock.skip(60_000);
  t.truthy(await who(made.token({}, key)));
  t.is(await who(made.token({}, old)), undefined);
});

test('an issuer that does not answer fails its own tokens alone, and works when it is back', async (t) => {
  const made = await issuer(t);
  const handler = made.server.handlers.get('/keys')!;
  made.server.handlers.delete('/keys');
  const { who, review, anonymous, clock } = await start(t, { jwt: [flags(made)] });
  t.is(await who(made.token()), undefined);
  t.regex((await review(made.token())).error ?? '', /oidc: verify token/);
  t.is((await anonymous.get('/readyz')).status, 200);
  made.server.handlers.set('/keys', handler);
  clock.skip(60_000);
  t.truthy(await who(made.token()));
});

test('expressions over claims make the user, and check it', async (t) => {
  const made = await issuer(t);
  const config = parseAuthenticationConfig(`
apiVersion: apiserver.config.k8s.io/v1
kind: AuthenticationConfiguration
jwt:
  - issuer:
      url: ${made.url}
      audiences: [slipway, other]
      audienceMatchPolicy: MatchAny
      certificateAuthority: ${JSON.stringify(made.server.caPem)}
    claimValidationRules:
      - expression: 'claims.level > 3'
        message: level must be above 3
    claimMappings:
      username: { expression: '"oidc:" + claims.sub' }
      groups: { expression: 'claims.roles.split(",")' }
      uid: { expression: 'claims.sub + "-uid"' }
      extra:
        - { key: example.com/tenant, valueExpression: claims.tenant }
    userValidationRules:
      - expression: "!user.username.startsWith('oidc:system:')"
        message: username cannot used reserved system prefix
anonymous: { enabled: true, conditions: [{ path: /livez }] }
`);
  const { who, review, anonymous } = await start(t, config);
  const claims = { level: 4, roles: 'a,b', tenant: 'blue' };
  const user = await who(made.token(claims));
  t.like(user, { username: 'oidc:jane', uid: 'jane-uid', extra: { 'example.com/tenant': ['blue'] } });
  t.deepEqual(user?.groups, ['a', 'b', 'system:authenticated']);
  for (const [wrong, error] of [
    [{ ...claims, level: 3 }, /validation expression 'claims.level > 3' failed: level must be above 3/],
    [{ ...claims, sub: 'system:admin' }, /failed: username cannot used reserved system prefix/],
    [{ ...claims, roles: undefined }, /error evaluating group claim expression: .*no such key: roles/],
  ] as const) {
    t.is(await who(made.token(wrong)), undefined);
    t.regex((await review(made.token(wrong))).error ?? '', error);
  }
  t.is((await anonymous.get('/livez')).status, 200);
  t.is((await anonymous.get('/readyz')).status, 401);
});

for (const [text, error] of [
  ['jwt: [{}]', /jwt\[0\]\.issuer\.url: Required value: URL is required/],
  ["jwt: [{ issuer: { url: 'http://a' } }]", /URL scheme must be https/],
  ["jwt: [{ issuer: { url: 'https://a' } }]", /jwt\[0\]\.issuer\.audiences: Required value/],
  ["jwt: [{ issuer: { url: 'https://a', audiences: [b] } }]", /claimMappings: Required value/],
  [
    "jwt: [{ issuer: { url: 'https://a', audiences: [b] }, claimMappings: { username: { claim: sub } } }]",
    /username\.prefix: Required value/,
  ],
  ["jwt: [{ issuer: { url: 'https://own', audiences: [b] } }]", /must not overlap with disallowed issuers/],
] as const) {
  test(`a configuration with {${text}} is refused`, (t) => {
    const whole = `{ apiVersion: apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration, ${text} }`;
    t.throws(() => parseAuthenticationConfig(whole, ['https://own']), { message: error });
  });
}

test('a webhook knows tokens, is asked once for each, and never for those of the cluster', async (t) => {
  const server = await WebhookServer.start();
  t.teardown(() => server.close());
  server.handlers.set('/token', ({ body }) => ({
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    status:
      body.spec.token === 'good'
        ? {
            authenticated: true,
            user: { username: 'hooked', uid: 'u1', groups: ['g'], extra: { k: ['v'] } },
            audiences: body.spec.audiences as string[],
          }
        : { authenticated: false, ...(body.spec.token === 'odd' ? { error: 'an odd token' } : {}) },
  }));
  const { url, caPem } = { url: server.clientConfig('/token').url, caPem: server.caPem };
  const { who, review, clock } = await start(t, { webhook: { target: { url, caPem } } });
  t.like(await who('good'), { username: 'hooked', uid: 'u1', extra: { k: ['v'] } });
  await who('good');
  t.is(await who('bad'), undefined);
  t.is(await who('bad'), undefined);
  t.is(server.to('/token').length, 2);
  t.like(server.to('/token')[0]?.body, { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview' });
  t.deepEqual((await review('good', ['mine'])).audiences, ['mine']);
  t.regex((await review('odd')).error ?? '', /an odd token/);
  const before = server.to('/token').length;
  clock.skip(121_000);
  await who('good');
  t.is(server.to('/token').length, before + 1);
});

test('a webhook that is out of order fails the tokens that it was to know, and is asked again', async (t) => {
  const server = await WebhookServer.start();
  t.teardown(() => server.close());
  let isBroken = true;
  server.handlers.set('/token', (_request, response) => {
    if (!isBroken) {
      return {
        kind: 'TokenReview',
        apiVersion: 'authentication.k8s.io/v1',
        status: { authenticated: true, user: { username: 'x' } },
      };
    }
    response.writeHead(403).end();
    return undefined;
  });
  const { url } = server.clientConfig('/token');
  const { who } = await start(t, { webhook: { target: { url, caPem: server.caPem } } });
  t.is(await who('token'), undefined);
  isBroken = false;
  t.is((await who('token'))?.username, 'x');
});
