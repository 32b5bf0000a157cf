/** Webhooks that hang: they cost those who wait for them, and nobody else. */
import test from 'ava';
import type { ExecutionContext } from 'ava';
import type { HttpLimits } from '../../../src/apiserver/http/limits.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { reviewAnswer, WebhookServer } from '../../helpers/webhook-server.ts';

const CONFIGMAPS = '/api/v1/namespaces/default/configmaps';

/** A server with a webhook for config maps that answers when it is let, and how many wait for it. */
async function start(t: ExecutionContext, limits: Partial<HttpLimits> = {}) {
  const server = await WebhookServer.start();
  const plane = await startControlPlane({ server: { limits } });
  const api = new RawApi(plane);
  let release = () => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const waiting = new Set<object>();
  server.handlers.set('/hang', async (request, response) => {
    waiting.add(response);
    response.on('close', () => waiting.delete(response));
    await released;
    return reviewAnswer(request, { allowed: true });
  });
  await api.post('/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations', {
    metadata: { name: 'hang' },
    webhooks: [
      {
        name: 'hang.example.com',
        clientConfig: server.clientConfig('/hang'),
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
        sideEffects: 'None',
        admissionReviewVersions: ['v1'],
        timeoutSeconds: 30,
      },
    ],
  });
  t.teardown(async () => {
    release();
    api.close();
    await plane.close();
    await server.close();
  });
  return { plane, api, waiting, release };
}

test('while a hundred creations wait for a webhook, everything else goes on', async (t) => {
  const { plane, api, waiting, release } = await start(t);
  // A connection has 100 requests at once at most.
  const creator = new RawApi(plane);
  t.teardown(() => creator.close());
  const creations = Array.from({ length: 100 }, (_, index) =>
    creator.post(CONFIGMAPS, { metadata: { name: `c${index}` } }),
  );
  await waitFor('all wait', () => waiting.size === 100);
  const others = await Promise.all([
    api.get(CONFIGMAPS),
    api.post('/api/v1/namespaces/default/secrets', { metadata: { name: 's' } }),
    api.get('/readyz'),
  ]);
  t.deepEqual(
    others.map(({ status }) => status),
    [200, 201, 200],
  );
  t.is(waiting.size, 100);
  release();
  const answers = await Promise.all(creations);
  t.true(answers.every(({ status }) => status === 201));
});

test('a webhook is left when the client has gone', async (t) => {
  const { plane, waiting } = await start(t);
  const client = new RawApi(plane);
  void client.post(CONFIGMAPS, { metadata: { name: 'gone' } }).catch(() => undefined);
  await waitFor('it waits', () => waiting.size === 1);
  client.close();
  await waitFor('the call has ended', () => waiting.size === 0);
  t.pass();
});

test('a webhook is left when the time of the request is up, whatever its own', async (t) => {
  const { api, waiting } = await start(t, { requestTimeoutMs: 300 });
  const answer = await api.post(CONFIGMAPS, { metadata: { name: 'late' } });
  t.is(answer.status, 504);
  t.is(answer.json().reason, 'Timeout');
  await waitFor('the call has ended', () => waiting.size === 0);
  t.is((await api.get(`${CONFIGMAPS}/late`)).status, 404);
});

test('calls of webhooks are counted', async (t) => {
  const { api, release } = await start(t);
  release();
  await api.post(CONFIGMAPS, { metadata: { name: 'counted' } });
  const text = (await api.get('/metrics')).body.toString();
  const labels = 'name="hang.example.com",type="validating",operation="CREATE",rejected="false",code="200"';
  t.true(
    text.includes(`apiserver_admission_webhook_request_total{${labels}} 1`),
    text.match(/.*webhook_request.*/g)?.join('\n'),
  );
});
