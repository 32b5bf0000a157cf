import { mkdtempSync, renameSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { loadKubeconfig } from '../../src/client/kubeconfig.ts';
import { createClock } from '../helpers/fake-clock.ts';

const folder = (): string => mkdtempSync(join(tmpdir(), 'slipway-kubeconfig-'));
const PEM = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';

function write(dir: string, cluster: string, user: string): string {
  const path = join(dir, 'config');
  writeFileSync(
    path,
    `apiVersion: v1
kind: Config
current-context: one
contexts:
- name: one
  context: { cluster: c, user: u, namespace: ns }
clusters:
- name: c
  cluster: ${cluster}
users:
- name: u
  user: ${user}
`,
  );
  return path;
}

test('inline data, server name and namespace are read', (t) => {
  const data = Buffer.from(PEM).toString('base64');
  const path = write(
    folder(),
    `{ server: 'https://10.0.0.1:6443', certificate-authority-data: ${data}, tls-server-name: kubernetes }`,
    `{ client-certificate-data: ${data}, client-key-data: ${data} }`,
  );
  const config = loadKubeconfig(path);
  t.like(config, { servers: ['https://10.0.0.1:6443'], serverName: 'kubernetes', namespace: 'ns' });
  t.deepEqual(config.credentials(), { ca: PEM, cert: PEM, key: PEM });
});

test('the extension adds servers after the standard one', (t) => {
  const extension = `{ name: slipway.dev/servers, extension: { servers: ['https://a:1', 'https://b:1', 'https://c:1'] } }`;
  const path = write(folder(), `{ server: 'https://b:1', extensions: [${extension}] }`, '{ token: t }');
  t.deepEqual(loadKubeconfig(path).servers, ['https://b:1', 'https://a:1', 'https://c:1']);
});

test('files are relative to the kubeconfig and read again when they change', async (t) => {
  const dir = folder();
  const clock = createClock();
  writeFileSync(join(dir, 'ca.crt'), PEM);
  writeFileSync(join(dir, 'token'), 'one\n');
  const path = write(
    dir,
    `{ server: 'https://a:1', certificate-authority: ca.crt }`,
    '{ token: old, tokenFile: token }',
  );
  const { credentials } = loadKubeconfig(path, { clock });
  const before = credentials();
  t.deepEqual(before, { ca: PEM, token: 'one' });
  writeFileSync(join(dir, 'token.new'), 'two2\n');
  renameSync(join(dir, 'token.new'), join(dir, 'token'));
  t.is(credentials(), before, 'not looked at again within five seconds');
  await clock.advance(5_000);
  t.deepEqual(credentials(), { ca: PEM, token: 'two2' });
  renameSync(join(dir, 'token'), join(dir, 'gone'));
  await clock.advance(5_000);
  t.is(credentials().token, 'two2', 'a file that is missing for a moment changes nothing');
});

const refuses = test.macro((t, cluster: string, user: string, message: RegExp) => {
  t.throws(() => loadKubeconfig(write(folder(), cluster, user)), { code: 'E_KUBECONFIG', message });
});

test('no server is refused', refuses, '{}', '{}', /no server for the cluster "c"/);
test(
  'a server that is no address is refused',
  refuses,
  '{ server: 10.0.0.1 }',
  '{}',
  /"10.0.0.1", which is not/,
);
test(
  'an exec plugin is refused by name',
  refuses,
  `{ server: 'https://a:1' }`,
  '{ exec: { command: x } }',
  /kind of sign-in/,
);
test(
  'broken base64 is refused',
  refuses,
  `{ server: 'https://a:1', certificate-authority-data: '%%' }`,
  '{}',
  /not base64 of PEM/,
);

test('a file that is not there and a context that is not there are named', (t) => {
  const dir = folder();
  t.throws(() => loadKubeconfig(join(dir, 'none')), { code: 'E_KUBECONFIG', message: /none cannot be read/ });
  const path = write(dir, `{ server: 'https://a:1' }`, '{}');
  t.throws(() => loadKubeconfig(path, { context: 'two' }), {
    code: 'E_KUBECONFIG',
    message: /no context "two"/,
  });
});
