/** What others send may be anything: it is refused with an error of ours, and nothing else happens. */
import test from 'ava';
import * as fc from 'fast-check';
import { readReviewAnswer } from '../../src/apiserver/admission/webhooks/admission-review.ts';
import { AuditPolicy } from '../../src/apiserver/audit/policy.ts';
import { parseAuthenticationConfig } from '../../src/apiserver/authn/authentication-config.ts';
import { isSignedBy, keysOf, tokenHeader } from '../../src/apiserver/authn/oidc/jws.ts';
import { parseAuthorizationConfig } from '../../src/apiserver/authz/authorization-config.ts';
import { WebhookConverter } from '../../src/apiserver/crd/conversion/webhook-converter.ts';
import type { WebhookClient } from '../../src/apiserver/webhook-client/webhook-client.ts';
import { SlipwayError } from '../../src/base/errors.ts';

const RUNS = { seed: 20260101, numRuns: 400 };

/** JSON whose members are mostly those that a reader looks for. */
function jsonWith(...names: string[]): fc.Arbitrary<unknown> {
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', maxDepth: 5 },
      fc.constantFrom<unknown>(null, true, 0, -1, 1e300, '', 'v1', 'Success', 'x', {}, []),
      fc.string(),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names, '__proto__', ''), tie('value'), { maxKeys: 6 }),
    ),
  }));
  return value;
}

/** Runs, and lets pass only what is meant. */
async function refusesOrTakes(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
  }
}

test('answers of admission webhooks', async (t) => {
  const review = jsonWith(
    'kind',
    'apiVersion',
    'response',
    'uid',
    'allowed',
    'status',
    'patch',
    'patchType',
    'warnings',
    'auditAnnotations',
    'message',
    'code',
  );
  const whole = fc.record(
    {
      kind: fc.constantFrom('AdmissionReview', 'Pod'),
      apiVersion: fc.constantFrom('admission.k8s.io/v1', 'v1'),
      response: review,
    },
    { requiredKeys: [] },
  );
  const body = fc.oneof(
    fc.uint8Array({ maxLength: 64 }),
    fc.oneof(review, whole).map((value) => Buffer.from(JSON.stringify(value) ?? '')),
  );
  await fc.assert(
    fc.asyncProperty(body, fc.constantFrom('v1', 'v1beta1'), fc.boolean(), async (bytes, version, mutating) =>
      refusesOrTakes(() => readReviewAnswer(Buffer.from(bytes), 'uid', version, mutating)),
    ),
    RUNS,
  );
  t.pass();
});

test('answers of converters', async (t) => {
  const answer = jsonWith(
    'kind',
    'apiVersion',
    'response',
    'uid',
    'result',
    'status',
    'convertedObjects',
    'metadata',
    'name',
    'labels',
    'annotations',
  );
  const good = fc.record({
    kind: fc.constant('ConversionReview'),
    apiVersion: fc.constant('apiextensions.k8s.io/v1'),
    response: fc.record({
      uid: fc.constant('uid'),
      result: fc.constant({ status: 'Success' }),
      convertedObjects: fc.oneof(
        fc.array(
          fc.oneof(
            answer,
            fc.record({ kind: fc.constant('K'), apiVersion: fc.constant('g/v2'), metadata: answer }),
          ),
          { minLength: 1, maxLength: 1 },
        ),
        answer,
      ),
    }),
  });
  await fc.assert(
    fc.asyncProperty(fc.oneof(answer, good), async (value) => {
      const client = { post: () => Promise.resolve(Buffer.from(JSON.stringify(value) ?? '')) };
      const crd = {
        spec: {
          group: 'g',
          names: { plural: 'ks', kind: 'K' },
          scope: 'Cluster',
          versions: [],
          conversion: { strategy: 'Webhook', webhook: { conversionReviewVersions: ['v1'] } },
        },
      };
      const converter = new WebhookConverter(crd, client as unknown as WebhookClient, () => 'uid');
      const objects = [{ kind: 'K', apiVersion: 'g/v1', metadata: { name: 'n', labels: { a: 'b' } } }];
      await refusesOrTakes(() => converter.convert(objects, 'g/v2'));
    }),
    RUNS,
  );
  t.pass();
});

test('tokens and key sets of issuers', async (t) => {
  const set = jsonWith('keys', 'kty', 'kid', 'alg', 'use', 'n', 'e', 'crv', 'x', 'y');
  const token = fc.oneof(
    fc.string(),
    fc
      .tuple(jsonWith('alg', 'kid'), fc.string(), fc.string())
      .map((parts) =>
        parts.map((part) => Buffer.from(JSON.stringify(part) ?? '').toString('base64url')).join('.'),
      ),
  );
  await fc.assert(
    fc.asyncProperty(set, token, async (keys, text) =>
      refusesOrTakes(() => {
        tokenHeader(text);
        t.false(isSignedBy(text, keysOf(keys), ['RS256', 'ES256', 'PS256']));
      }),
    ),
    RUNS,
  );
});

for (const [name, kind, read, names] of [
  [
    'audit policies',
    'audit.k8s.io/v1, kind: Policy',
    (text: string) => {
      const policy = AuditPolicy.parse(text);
      const attributes = {
        verb: 'get',
        group: '',
        version: 'v1',
        resource: 'pods',
        subresource: 'log',
        namespace: 'n',
        name: 'x',
        path: '/p',
      };
      for (const isResourceRequest of [true, false]) {
        policy.decide({ ...attributes, isResourceRequest, user: { name: 'u', groups: ['g'], extra: {} } });
      }
    },
    [
      'rules',
      'level',
      'users',
      'userGroups',
      'verbs',
      'resources',
      'group',
      'resourceNames',
      'namespaces',
      'nonResourceURLs',
      'omitStages',
    ],
  ],
  [
    'configurations of authentication',
    'apiserver.config.k8s.io/v1, kind: AuthenticationConfiguration',
    (text: string) => parseAuthenticationConfig(text),
    [
      'jwt',
      'issuer',
      'url',
      'audiences',
      'claimMappings',
      'username',
      'claim',
      'prefix',
      'expression',
      'claimValidationRules',
      'anonymous',
    ],
  ],
  [
    'configurations of authorization',
    'apiserver.config.k8s.io/v1, kind: AuthorizationConfiguration',
    (text: string) => parseAuthorizationConfig(text, { target: (url) => ({ url }), duration: Number }),
    [
      'authorizers',
      'type',
      'name',
      'webhook',
      'timeout',
      'failurePolicy',
      'connectionInfo',
      'kubeConfigFile',
      'matchConditions',
    ],
  ],
] as const) {
  test(name, async (t) => {
    const [first = ''] = names;
    const any = jsonWith(...names);
    // One level deeper than most that is made up gets.
    const item = fc.dictionary(fc.constantFrom(...names), any, { maxKeys: 4 });
    const list = fc.array(
      item.map((given) => ({ ...given, level: 'Metadata', type: 'Webhook' })),
      { maxLength: 2 },
    );
    await fc.assert(
      fc.asyncProperty(fc.oneof(any, list), async (value) => {
        const text = `{ apiVersion: ${kind}, ${first}: ${JSON.stringify(value) ?? '0'} }`;
        await refusesOrTakes(() => read(text));
      }),
      RUNS,
    );
    t.pass();
  });
}
