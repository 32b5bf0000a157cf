import { patchOf, reviewAnswer } from '../../helpers/webhook-server.ts';
import type { WebhookHandler } from '../../helpers/webhook-server.ts';

/** One webhook, one request that reaches it, and what upstream's server answered (fixtures/upstream). */
export interface WebhookCase {
  title: string;
  kind: 'mutating' | 'validating';
  handler: WebhookHandler;
  webhook?: object;
  request?: { method: string; path: string; body?: unknown };
}

const CONFIG_MAP = { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'case' }, data: { a: '1' } };
export const CREATE: NonNullable<WebhookCase['request']> = {
  method: 'POST',
  path: '/api/v1/namespaces/cases/configmaps',
  body: CONFIG_MAP,
};

const answer =
  (response: object): WebhookHandler =>
  (request) =>
    reviewAnswer(request, response);

const raw =
  (status: number, type: string, body: string): WebhookHandler =>
  (_request, response) => {
    response.writeHead(status, { 'content-type': type }).end(body);
    return undefined;
  };

/** Of both kinds unless one is named. */
const CASES: Array<Omit<WebhookCase, 'kind'> & { kind?: WebhookCase['kind'] }> = [
  { title: 'allows', handler: answer({ allowed: true }) },
  { title: 'denies with a message', handler: answer({ allowed: false, status: { message: 'no way' } }) },
  {
    title: 'denies with code, reason and details',
    handler: answer({
      allowed: false,
      status: {
        code: 403,
        reason: 'Forbidden',
        message: 'not you',
        details: { name: 'x', causes: [{ reason: 'r', message: 'm', field: 'f' }] },
      },
    }),
  },
  { title: 'denies with a reason alone', handler: answer({ allowed: false, status: { reason: 'TooHot' } }) },
  { title: 'denies without a word', handler: answer({ allowed: false }) },
  {
    title: 'denies with a code of success',
    handler: answer({ allowed: false, status: { code: 200, status: 'Success', message: 'eh' } }),
  },
  { title: 'answers text', handler: raw(200, 'text/plain', 'hello') },
  { title: 'answers what is no JSON', handler: raw(200, 'application/json', 'gibberish') },
  { title: 'answers a list', handler: raw(200, 'application/json', '[]') },
  { title: 'answers nothing', handler: raw(200, 'application/json', '') },
  { title: 'answers an empty object', handler: raw(200, 'application/json', '{}') },
  {
    title: 'answers another kind',
    handler: raw(200, 'application/json', '{"kind":"Pod","apiVersion":"v1"}'),
  },
  {
    title: 'answers a Status',
    handler: raw(
      200,
      'application/json',
      '{"kind":"Status","apiVersion":"v1","status":"Failure","message":"busy","code":409}',
    ),
  },
  {
    title: 'answers a failing Status',
    handler: raw(
      409,
      'application/json',
      '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"busy","reason":"Conflict","code":409}',
    ),
  },
  { title: 'answers 500 with text', handler: raw(500, 'text/plain', 'out of order') },
  { title: 'answers 500 with JSON', handler: raw(500, 'application/json', '{"a":1}') },
  { title: 'answers 404', handler: raw(404, 'text/plain', '404 page not found') },
  { title: 'answers 403', handler: raw(403, 'text/plain', 'go away') },
  { title: 'answers 418', handler: raw(418, 'text/plain', 'teapot') },
  {
    title: 'hangs up',
    handler: (_request, response) => {
      response.destroy();
      return undefined;
    },
  },
  {
    title: 'hangs up in the middle',
    handler: (_request, response) => {
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      response.write('{"kind":', () => response.destroy());
      return undefined;
    },
  },
  { title: 'keeps silent', handler: () => undefined, webhook: { timeoutSeconds: 1 } },
  {
    title: 'keeps silent and may be ignored',
    handler: () => undefined,
    webhook: { timeoutSeconds: 1, failurePolicy: 'Ignore' },
  },
  {
    title: 'fails and may be ignored',
    handler: raw(500, 'text/plain', 'no'),
    webhook: { failurePolicy: 'Ignore' },
  },
  {
    title: 'denies and may be ignored',
    handler: answer({ allowed: false, status: { message: 'still no' } }),
    webhook: { failurePolicy: 'Ignore' },
  },
  {
    title: 'answers with another uid',
    handler: (request) => ({
      kind: 'AdmissionReview',
      apiVersion: (request.body as { apiVersion: string }).apiVersion,
      response: { uid: 'other', allowed: true },
    }),
  },
  {
    title: 'answers without a response',
    handler: () => ({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' }),
  },
  {
    title: 'answers without a kind',
    handler: (request) => ({
      response: { uid: (request.body as { request: { uid: string } }).request.uid, allowed: true },
    }),
  },
  {
    title: 'answers with v1beta1 to v1',
    handler: (request) => ({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1beta1',
      response: { uid: (request.body as { request: { uid: string } }).request.uid, allowed: true },
    }),
  },
  {
    title: 'answers v1beta1',
    webhook: { admissionReviewVersions: ['v1beta1'] },
    handler: () => ({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1beta1',
      response: { allowed: true },
    }),
  },
  {
    title: 'denies in v1beta1',
    webhook: { admissionReviewVersions: ['v1beta1', 'v1'] },
    handler: () => ({
      kind: 'AdmissionReview',
      apiVersion: 'admission.k8s.io/v1beta1',
      response: { allowed: false, status: { message: 'beta no' } },
    }),
  },
  { title: 'answers a wrong type', handler: (request) => reviewAnswer(request, { allowed: 'yes' }) },
  { title: 'warns', handler: answer({ allowed: true, warnings: ['mind the gap', 'mind "it"'] }) },
  {
    title: 'warns and denies',
    handler: answer({ allowed: false, warnings: ['told you'], status: { message: 'no' } }),
  },
  {
    title: 'cannot do dry runs by failing',
    handler: raw(500, 'text/plain', 'no'),
    request: { ...CREATE, path: `${CREATE.path}?dryRun=All` },
  },
  { title: 'patches', handler: answer(patchOf({ op: 'add', path: '/data/b', value: '2' })) },
  {
    title: 'patches labels that are not there',
    handler: answer(patchOf({ op: 'add', path: '/metadata/labels/a', value: 'b' })),
  },
  { title: 'patches with nothing', handler: answer(patchOf()) },
  { title: 'patches a wrong type', handler: answer(patchOf({ op: 'add', path: '/data/b', value: 2 })) },
  {
    title: 'patches an unknown field',
    handler: answer(patchOf({ op: 'add', path: '/dato', value: { a: 'b' } })),
  },
  {
    title: 'patches to something invalid',
    handler: answer(patchOf({ op: 'add', path: '/data/b~1c', value: '2' })),
  },
  {
    title: 'patches another name',
    handler: answer(patchOf({ op: 'replace', path: '/metadata/name', value: 'other' })),
  },
  {
    title: 'patches another namespace',
    handler: answer(patchOf({ op: 'replace', path: '/metadata/namespace', value: 'default' })),
  },
  {
    title: 'patches another kind',
    handler: answer(patchOf({ op: 'replace', path: '/kind', value: 'Secret' })),
  },
  { title: 'removes what is not there', handler: answer(patchOf({ op: 'remove', path: '/data/zzz' })) },
  { title: 'tests what is not so', handler: answer(patchOf({ op: 'test', path: '/data/a', value: '7' })) },
  {
    title: 'patches without a type',
    handler: answer({ allowed: true, patch: Buffer.from('[]').toString('base64') }),
  },
  { title: 'gives a type without a patch', handler: answer({ allowed: true, patchType: 'JSONPatch' }) },
  {
    title: 'patches with another type',
    handler: answer({
      allowed: true,
      patchType: 'Merge',
      patch: Buffer.from('[{"op":"remove","path":"/data"}]').toString('base64'),
    }),
  },
  {
    title: 'patches with gibberish',
    handler: answer({
      allowed: true,
      patchType: 'JSONPatch',
      patch: Buffer.from('gibberish').toString('base64'),
    }),
  },
  {
    title: 'patches with an object',
    handler: answer({ allowed: true, patchType: 'JSONPatch', patch: Buffer.from('{}').toString('base64') }),
  },
  {
    title: 'patches without base64',
    handler: answer({ allowed: true, patchType: 'JSONPatch', patch: '***' }),
  },
  {
    title: 'patches a deletion',
    kind: 'mutating',
    handler: answer(patchOf({ op: 'add', path: '/data/b', value: '2' })),
    webhook: {
      rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['DELETE'], resources: ['configmaps'] }],
    },
    request: { method: 'DELETE', path: '/api/v1/namespaces/cases/configmaps/present' },
  },
  {
    title: 'denies a deletion',
    handler: answer({ allowed: false, status: { message: 'keep it' } }),
    webhook: {
      rules: [{ apiGroups: ['*'], apiVersions: ['*'], operations: ['DELETE'], resources: ['configmaps'] }],
    },
    request: { method: 'DELETE', path: '/api/v1/namespaces/cases/configmaps/present' },
  },
  { title: 'has another authority', handler: answer({ allowed: true }), webhook: { caBundle: 'other' } },
  {
    title: 'does not listen',
    handler: answer({ allowed: true }),
    webhook: { clientConfig: { url: 'https://127.0.0.1:1/nobody' } },
  },
  {
    title: 'has no such Service',
    handler: answer({ allowed: true }),
    webhook: { clientConfig: { service: { namespace: 'cases', name: 'nobody' } } },
  },
];

export const WEBHOOK_CASES: WebhookCase[] = CASES.flatMap((each) =>
  (each.kind ? [each.kind] : (['mutating', 'validating'] as const)).map((kind) => ({ ...each, kind })),
);
