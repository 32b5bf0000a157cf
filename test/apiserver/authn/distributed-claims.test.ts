import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { AccessChange } from '../../../src/apiserver/api-server-options.ts';
import { issuerOfFlags } from '../../../src/apiserver/authn/authentication-config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { followFile } from '../../../src/base/follow-file.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { OidcIssuer } from '../../helpers/oidc-issuer.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { waitFor } from '../../helpers/wait-for.ts';

async function start(t: ExecutionContext) {
  const issuer = await OidcIssuer.start();
  const trust = issuerOfFlags({
    issuerUrl: issuer.url,
    clientId: 'slipway',
    caPem: issuer.server.caPem,
    groupsClaim: 'groups',
  });
  let change: (change: AccessChange) => void = () => undefined;
  const plane = await startControlPlane({
    server: {
      authentication: { jwt: [trust] },
      followAccess: (apply) => {
        change = apply;
      },
    },
  });
  const anonymous = new RawApi(plane, { identity: null });
  const admin = new RawApi(plane);
  t.teardown(async () => {
    anonymous.close();
    admin.close();
    await plane.close();
    await issuer.close();
  });
  const review = async (token: string) => {
    const answer = await admin.post('/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token } });
    return answer.json().status as {
      authenticated?: boolean;
      error?: string;
      user?: { username: string; groups: string[] };
    };
  };
  return { issuer, trust, plane, anonymous, admin, review, change: (to: AccessChange) => change(to) };
}

test('groups that are elsewhere are fetched with the token that the claim names, and must be signed', async (t) => {
  const { issuer, review } = await start(t);
  let answer = () => issuer.token({ groups: ['dev', 'ops'] });
  issuer.server.handlers.set('/groups', (_, response) => {
    response.end(answer());
    return undefined;
  });
  const claims = (source: object = {}) => ({
    _claim_names: { groups: 'src1' },
    _claim_sources: { src1: { endpoint: `${issuer.url}/groups`, access_token: 'f005ba11', ...source } },
  });
  const good = await review(issuer.token(claims()));
  t.deepEqual(good.user?.groups, ['dev', 'ops', 'system:authenticated'], good.error);
  const asked = issuer.server.requests.findLast(({ path }) => path === '/groups');
  t.is(asked?.headers.authorization, 'Bearer f005ba11');
  // A claim of its own comes first; nobody is asked.
  const before = issuer.server.requests.length;
  const own = await review(issuer.token({ ...claims(), groups: ['own'] }));
  t.deepEqual(own.user?.groups, ['own', 'system:authenticated']);
  t.is(issuer.server.requests.filter(({ path }) => path === '/groups').length, 1);
  t.true(issuer.server.requests.length >= before);
  for (const [given, made, message] of [
    [claims(), () => issuer.token({ aud: 'others', groups: ['x'] }), /expected audience in/],
    [claims(), () => issuer.token({ exp: 1, groups: ['x'] }), /token is expired/],
    [claims(), () => issuer.token({}), /did not contain claim: groups/],
    [claims(), () => 'no token', /getting untrusted issuer from endpoint/],
    [{ _claim_names: { groups: 'src1' } }, () => '', /oidc: no claim sources/],
    [
      { _claim_names: { groups: 'other' }, _claim_sources: {} },
      () => '',
      /contained a source other missing in _claims_sources/,
    ],
    [claims({ endpoint: `${issuer.url}/nothing` }), () => '', /while getting distributed claim "groups": /],
  ] as const) {
    answer = made;
    const refused = await review(issuer.token(given));
    t.not(refused.authenticated, true);
    t.regex(refused.error ?? '', /could not expand distributed claims: /);
    t.regex(refused.error ?? '', message);
  }
  const without = await review(issuer.token({ _claim_names: { other: 'src1' }, _claim_sources: {} }));
  t.deepEqual(without.user?.groups, ['system:authenticated']);
});

test('an answer that another issuer has signed counts for that issuer’s keys alone', async (t) => {
  const { issuer, review } = await start(t);
  const stranger = await OidcIssuer.start();
  t.teardown(() => stranger.close());
  issuer.server.handlers.set('/groups', (_, response) => {
    response.end(stranger.token({ iss: issuer.url, groups: ['system:masters'] }));
    return undefined;
  });
  const token = issuer.token({
    _claim_names: { groups: 's' },
    _claim_sources: { s: { endpoint: `${issuer.url}/groups` } },
  });
  t.regex((await review(token)).error ?? '', /failed to verify id token signature/);
});

test('issuers and authorizers are changed while the server runs; a change that cannot be changes nothing', async (t) => {
  const { issuer, trust, anonymous, plane, review, change } = await start(t);
  t.true((await review(issuer.token())).authenticated);
  t.is((await anonymous.get('/api/v1/namespaces')).status, 401);
  change({ authentication: { jwt: [], anonymous: { enabled: true } } });
  t.not((await review(issuer.token())).authenticated, true);
  t.is((await anonymous.get('/api/v1/namespaces')).status, 403);
  change({ authentication: { jwt: [trust] } });
  t.true((await review(issuer.token())).authenticated);
  const jane = new RawApi(plane, { identity: plane.identity('system:node:n1', 'system:nodes') });
  t.teardown(() => jane.close());
  t.is((await jane.get('/api/v1/services')).status, 200);
  change({ authorization: ['RBAC'] });
  t.is((await jane.get('/api/v1/services')).status, 403);
  change({ authorization: ['Node', 'RBAC'] });
  t.is((await jane.get('/api/v1/services')).status, 200);
});

test('an authorizer that was not there at the start cannot come later', async (t) => {
  let change: (change: AccessChange) => void = () => undefined;
  const plane = await startControlPlane({
    server: {
      authorization: ['RBAC'],
      followAccess: (apply) => {
        change = apply;
      },
    },
  });
  t.teardown(() => plane.close());
  t.throws(() => change({ authorization: ['Node', 'RBAC'] }), {
    code: 'E_AUTHORIZATION_CONFIG',
    message: /authorizer type Node is not allowed if it was not enabled at initial server startup/,
  });
});

test('a file is followed: each new content is tried once, and one that fails changes nothing', async (t) => {
  const path = join(await temporaryDirectory(t), 'file');
  writeFileSync(path, 'one');
  const tried: string[] = [];
  const stop = new AbortController();
  const following = followFile(
    path,
    'one',
    { clock: systemClock, log: silentLogger, signal: stop.signal, everyMs: 5 },
    async (text) => {
      tried.push(text);
      if (text === 'bad') throw new Error('bad');
      await Promise.resolve();
    },
  );
  for (const [index, text] of ['two', 'bad', 'three'].entries()) {
    writeFileSync(path, text);
    await waitFor(text, () => tried.length === index + 1);
  }
  writeFileSync(path, '');
  stop.abort();
  await following;
  t.deepEqual(tried, ['two', 'bad', 'three']);
});
