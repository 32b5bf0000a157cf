/** Webhook configurations and APIServices: what upstream's kube-apiserver v1.36.0 answered to each, recorded. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';

interface Row {
  path: string;
  body: { metadata: { name: string }; webhooks?: object[]; spec?: object };
  status: number;
  message?: string;
  reason?: string;
  details?: object;
}

const FIXTURE = new URL('../../fixtures/upstream/configurations-of-others.json', import.meta.url);
const rows = JSON.parse(readFileSync(FIXTURE, 'utf8')) as Row[];

let plane: TestControlPlane;
let api: RawApi;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
});

test.after.always(async () => {
  api.close();
  await plane.close();
});

for (const [index, { path, body, status, ...rest }] of rows.entries()) {
  const what = status === 201 ? 'taken' : (rest.message ?? '').replace(/^[^:]*is invalid: /, '');
  test.serial(`${path.split('/').at(-1)} ${index}: ${what}`, async (t) => {
    const answer = await api.post(path, body);
    const { message, reason, details } = answer.json() as Partial<Row>;
    await api.delete(`${path}/${body.metadata.name}`);
    t.is(answer.status, status);
    if (status !== 201) t.deepEqual({ message, reason, details }, rest);
  });
}
