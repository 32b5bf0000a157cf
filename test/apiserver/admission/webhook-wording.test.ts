import { readFileSync } from 'node:fs';
import test from 'ava';
import { systemClock } from '../../../src/base/clock.ts';
import { createCertificateAuthority } from '../../../src/pki/issue.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { WebhookServer } from '../../helpers/webhook-server.ts';
import { runCase, useOtherCa } from './webhook-case-runner.ts';
import type { CaseAnswer } from './webhook-case-runner.ts';
import { WEBHOOK_CASES } from './webhook-cases.ts';

const RECORDED = new URL('../../fixtures/upstream/webhooks.json', import.meta.url);
const recorded = JSON.parse(readFileSync(RECORDED, 'utf8')) as Record<string, CaseAnswer>;

let plane: TestControlPlane;
let api: RawApi;
let server: WebhookServer;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
  server = await WebhookServer.start();
  useOtherCa(createCertificateAuthority({ commonName: 'other', clock: systemClock }).certPem);
  await api.post('/api/v1/namespaces', { metadata: { name: 'cases' } });
  await api.post('/api/v1/namespaces/cases/configmaps', { metadata: { name: 'present' } });
});

test.after.always(async () => {
  api.close();
  await plane.close();
  await server.close();
});

for (const each of WEBHOOK_CASES) {
  const title = `a ${each.kind} webhook ${each.title}`;
  test.serial(`${title}: answered as upstream does`, async (t) => {
    const expected = recorded[title];
    const answer = await runCase(api, server, each, () => Promise.resolve());
    t.deepEqual(answer, expected);
  });
}
