import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import type { JsonBody } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { WebhookServer } from '../../helpers/webhook-server.ts';
import type { WebhookHandler } from '../../helpers/webhook-server.ts';

// What upstream's conformance suite asks of conversion webhooks (test/e2e/apimachinery/crd_conversion_webhook.go).

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';

let plane: TestControlPlane;
let api: RawApi;
let server: WebhookServer;
let serial = 0;

test.before(async () => {
  server = await WebhookServer.start();
  plane = await startControlPlane();
  api = new RawApi(plane);
});

test.after.always(async () => {
  api.close();
  await plane.close();
  await server.close();
});

type Custom = JsonBody & { hostPort?: string; host?: string; port?: string };

/** v1 has `hostPort`, v2 has `host` and `port`. */
function convert(object: Custom, apiVersion: string): Custom {
  const { hostPort, host, port, ...rest } = object;
  if (apiVersion.endsWith('/v2')) {
    const [left, right] = (hostPort ?? '').split(':');
    return { ...rest, apiVersion, host: left ?? '', port: right ?? '' };
  }
  return { ...rest, apiVersion, hostPort: `${host}:${port}` };
}

const converting =
  (change: (object: Custom, apiVersion: string) => unknown = convert, rest: object = {}): WebhookHandler =>
  ({ body }) => ({
    kind: 'ConversionReview',
    apiVersion: body.apiVersion as string,
    response: {
      uid: body.request.uid as string,
      result: { status: 'Success' },
      convertedObjects: (body.request.objects as Custom[]).map((object) =>
        change(object, body.request.desiredAPIVersion as string),
      ),
      ...rest,
    },
  });

interface Kind {
  crd: string;
  path: string;
  at(version: string): string;
  object(version: string, name: string, fields: object): object;
}

async function define(handler: WebhookHandler, versions = ['v1', 'v1beta1']): Promise<Kind> {
  const number = (serial += 1);
  const [plural, kind] = [`hosts${number}`, `Host${number}`];
  const group = 'conversion.example.com';
  const path = `/${plural}`;
  server.handlers.set(path, handler);
  const string = { type: 'string' };
  const version = (name: string, storage: boolean, properties: object) => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: { type: 'object', properties } },
  });
  const made = await api.post(CRDS, {
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural, kind },
      versions: [
        version('v1', true, { hostPort: string }),
        version('v2', false, { host: string, port: string }),
      ],
      conversion: {
        strategy: 'Webhook',
        webhook: { clientConfig: server.clientConfig(path), conversionReviewVersions: versions },
      },
    },
  });
  if (made.status !== 201) throw new Error(made.body.toString());
  await waitFor(
    'the kind is served',
    async () => (await api.get(`/apis/${group}/v1/${plural}`)).status === 200,
  );
  return {
    crd: `${CRDS}/${plural}.${group}`,
    path,
    at: (name) => `/apis/${group}/${name}/namespaces/default/${plural}`,
    object: (name, objectName, fields) => ({
      apiVersion: `${group}/${name}`,
      kind,
      metadata: { name: objectName },
      ...fields,
    }),
  };
}

/** Makes v2 the version that is stored from now on. */
async function flip(kind: Kind): Promise<void> {
  const storage = (index: number, value: boolean) => ({
    op: 'replace',
    path: `/spec/versions/${index}/storage`,
    value,
  });
  const flipped = await api.patch(kind.crd, 'json', [storage(0, false), storage(1, true)]);
  if (flipped.status !== 200) throw new Error(flipped.body.toString());
}

test('an object of a stored version is read and written in another', async (t) => {
  const kind = await define(converting());
  await api.post(kind.at('v1'), kind.object('v1', 'a', { hostPort: 'localhost:80' }));
  const read = (await api.get(`${kind.at('v2')}/a`)).json();
  t.like(read, { host: 'localhost', port: '80', apiVersion: 'conversion.example.com/v2' });
  t.is(read.hostPort, undefined);
  const patched = await api.patch(`${kind.at('v2')}/a`, 'merge', { port: '81' });
  t.is(patched.status, 200, patched.body.toString());
  t.like(patched.json(), { host: 'localhost', port: '81' });
  t.like((await api.get(`${kind.at('v1')}/a`)).json(), { hostPort: 'localhost:81' });
  const made = await api.post(kind.at('v2'), kind.object('v2', 'b', { host: 'h', port: '1' }));
  t.is(made.status, 201, made.body.toString());
  t.like((await api.get(`${kind.at('v1')}/b`)).json(), { hostPort: 'h:1' });
  t.is((await api.delete(`${kind.at('v2')}/b`)).status, 200);
  const review = server.to(kind.path)[0]!;
  t.is(review.query, 'timeout=30s');
  t.like(review.body, { kind: 'ConversionReview', apiVersion: 'apiextensions.k8s.io/v1' });
  t.is(review.body.request.desiredAPIVersion, 'conversion.example.com/v2');
});

test('appliers of different versions keep their fields, and nothing of the object is lost', async (t) => {
  const kind = await define(converting());
  const apply = (version: string, manager: string, fields: object) =>
    api.request('PATCH', `${kind.at(version)}/a?fieldManager=${manager}`, {
      body: kind.object(version, 'a', fields),
      headers: { 'content-type': 'application/apply-patch+yaml' },
    });
  const made = await apply('v1', 'one', { hostPort: 'a:1' });
  t.is(made.status, 201, made.body.toString());
  const second = await apply('v2', 'two', { metadata: { name: 'a', labels: { x: 'y' } } });
  t.is(second.status, 200, second.body.toString());
  t.like(second.json(), { host: 'a', port: '1' });
  // The same applier goes on in the other version.
  const third = await apply('v2', 'one', { host: 'a', port: '2' });
  t.is(third.status, 200, third.body.toString());
  t.like(third.json(), { host: 'a', port: '2' });
  const { metadata } = third.json() as JsonBody & {
    metadata: { managedFields?: Array<{ manager: string }> };
  };
  t.deepEqual(metadata.labels, { x: 'y' });
  t.deepEqual(metadata.managedFields?.map(({ manager }) => manager).toSorted(), ['one', 'two']);
  t.like((await api.get(`${kind.at('v1')}/a`)).json(), { hostPort: 'a:2' });
});

test('a list of mixed versions is converted in one call, of what needs it alone', async (t) => {
  const kind = await define(converting());
  for (const name of ['a', 'b']) {
    await api.post(kind.at('v1'), kind.object('v1', name, { hostPort: `${name}:1` }));
  }
  await flip(kind);
  await api.post(kind.at('v2'), kind.object('v2', 'c', { host: 'c', port: '1' }));
  const before = server.to(kind.path).length;
  const list = (await api.get(kind.at('v2'))).json();
  t.deepEqual(
    (list.items as Custom[]).map(({ host, port }) => `${host}:${port}`),
    ['a:1', 'b:1', 'c:1'],
  );
  const calls = server.to(kind.path).slice(before);
  t.is(calls.length, 1);
  t.is(calls[0]?.body.request.objects.length, 2);
  const others = (await api.get(kind.at('v1'))).json();
  t.deepEqual(
    (others.items as Custom[]).map(({ hostPort }) => hostPort),
    ['a:1', 'b:1', 'c:1'],
  );
  // What was converted once is not converted again.
  await api.get(kind.at('v2'));
  t.is(server.to(kind.path).length, before + 2);
});

test('watches see converted objects, selected or not, and their end', async (t) => {
  const kind = await define(converting());
  await api.post(kind.at('v1'), kind.object('v1', 'a', { hostPort: 'a:1' }));
  const watch = await api.watch(`${kind.at('v2')}?watch=1`);
  const selecting = await api.watch(`${kind.at('v2')}?watch=1&labelSelector=in`);
  t.teardown(() => {
    watch.close();
    selecting.close();
  });
  t.like((await watch.next())?.object, { host: 'a', port: '1' });
  await api.patch(`${kind.at('v1')}/a`, 'merge', { hostPort: 'a:2', metadata: { labels: { in: '1' } } });
  await api.patch(`${kind.at('v1')}/a`, 'merge', { hostPort: 'a:3', metadata: { labels: { in: null } } });
  await api.delete(`${kind.at('v1')}/a`);
  const events = await watch.take(3);
  t.deepEqual(
    events.map(({ type, object }) => [type, (object as Custom).port]),
    [
      ['MODIFIED', '2'],
      ['MODIFIED', '3'],
      ['DELETED', '3'],
    ],
  );
  const selected = await selecting.take(2);
  t.deepEqual(
    selected.map(({ type, object }) => [type, (object as Custom).port]),
    [
      ['ADDED', '2'],
      ['DELETED', '2'],
    ],
  );
});

for (const [title, handler, message] of [
  [
    'says why it cannot',
    converting(convert, { result: { status: 'Failed', message: 'no such host' } }),
    'conversion webhook for conversion.example.com/v1, Kind=KIND failed: no such host',
  ],
  [
    'fails without a word',
    converting(convert, { result: { status: 'Failed' } }),
    "conversion webhook for conversion.example.com/v1, Kind=KIND failed: response.result.status was 'Failed', not 'Success'",
  ],
  [
    'loses an object',
    converting(convert, { convertedObjects: [] }),
    'conversion webhook for conversion.example.com/v1, Kind=KIND returned 0 objects, expected 1',
  ],
  [
    'converts to another version',
    converting((object) => object),
    'conversion webhook for conversion.example.com/v1, Kind=KIND returned invalid object at index 0: invalid groupVersion (expected conversion.example.com/v2, received conversion.example.com/v1)',
  ],
  [
    'changes the name',
    converting((object, version) => ({
      ...convert(object, version),
      metadata: { ...object.metadata, name: 'x' },
    })),
    'conversion webhook for conversion.example.com/v1, Kind=KIND returned invalid object: must have the same name: a != x',
  ],
  [
    'drops the metadata',
    converting((object, version) => ({ ...convert(object, version), metadata: undefined })),
    'conversion webhook for conversion.example.com/v1, Kind=KIND returned invalid object: must have the same name: a != ',
  ],
  [
    'answers to another question',
    converting(convert, { uid: 'other' }),
    /^conversion webhook for .* failed: expected response\.uid="[0-9a-f-]{36}", got "other"$/,
  ],
  [
    'is out of order',
    (_request, response) => {
      response.writeHead(500, { 'content-type': 'text/plain' }).end('broken');
      return undefined;
    },
    'conversion webhook for conversion.example.com/v1, Kind=KIND failed: an error on the server ("broken") has prevented the request from succeeding',
  ],
] as ReadonlyArray<[string, WebhookHandler, string | RegExp]>) {
  test(`a converter that ${title} makes requests fail with upstream's words, and the server goes on`, async (t) => {
    let broken = true;
    const works = converting();
    const kind = await define((request, response) => (broken ? handler : works)(request, response));
    await api.post(kind.at('v1'), kind.object('v1', 'a', { hostPort: 'a:1' }));
    const failed = await api.get(`${kind.at('v2')}/a`);
    t.is(failed.status, 500);
    const { kind: name } = kind.object('v1', 'a', {}) as { kind: string };
    const text = String(failed.json().message);
    if (typeof message === 'string') t.is(text, message.replace('KIND', name));
    else t.regex(text, message);
    t.is((await api.get(kind.at('v2'))).status, 500);
    const watch = await api.watch(`${kind.at('v2')}?watch=1`);
    const event = await watch.next();
    t.is(event?.type, 'ERROR');
    watch.close();
    broken = false;
    t.like((await api.get(`${kind.at('v2')}/a`)).json(), { host: 'a', port: '1' });
  });
}

test('a converter may change labels and annotations, and nothing else of the metadata', async (t) => {
  const kind = await define(
    converting((object, version) => ({
      ...convert(object, version),
      metadata: {
        ...object.metadata,
        labels: { ...object.metadata.labels, converted: 'yes' },
        generation: 77,
        finalizers: ['a/b'],
        resourceVersion: '1',
      },
    })),
  );
  const made = (await api.post(kind.at('v1'), kind.object('v1', 'a', { hostPort: 'a:1' }))).json();
  const { metadata } = (await api.get(`${kind.at('v2')}/a`)).json();
  t.deepEqual(metadata.labels, { converted: 'yes' });
  t.is(metadata.generation, made.metadata.generation);
  t.is(metadata.resourceVersion, made.metadata.resourceVersion);
  t.is(metadata.finalizers, undefined);
});

test('v1beta1 reviews are answered without being checked for kind and uid', async (t) => {
  const kind = await define(
    ({ body }) => ({
      response: {
        result: { status: 'Success' },
        convertedObjects: (body.request.objects as Custom[]).map((object) =>
          convert(object, body.request.desiredAPIVersion as string),
        ),
      },
    }),
    ['v1beta1'],
  );
  await api.post(kind.at('v1'), kind.object('v1', 'a', { hostPort: 'a:1' }));
  t.like((await api.get(`${kind.at('v2')}/a`)).json(), { host: 'a' });
});

test('a definition whose converter makes no sense is refused', async (t) => {
  const crd = (conversion: object) => ({
    metadata: { name: 'refused.conversion.example.com' },
    spec: {
      group: 'conversion.example.com',
      scope: 'Namespaced',
      names: { plural: 'refused', kind: 'Refused' },
      versions: [
        { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object' } } },
      ],
      conversion,
    },
  });
  const refusal = async (conversion: object) =>
    String((await api.post(CRDS, crd(conversion))).json().message);
  t.regex(
    await refusal({ strategy: 'Webhook' }),
    /spec\.conversion\.webhookClientConfig: Required value: required when strategy is set to Webhook/,
  );
  t.regex(
    await refusal({
      strategy: 'Webhook',
      webhook: { clientConfig: { url: 'http://x.y/z' }, conversionReviewVersions: ['v7'] },
    }),
    /webhookClientConfig\.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https:\/\/host\[\/path\], spec\.conversion\.conversionReviewVersions: Invalid value: \["v7"\]: must include at least one of v1, v1beta1/,
  );
});
