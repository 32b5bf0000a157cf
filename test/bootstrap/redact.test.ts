import { generateKeyPairSync } from 'node:crypto';
import { assert, pre, property, string } from 'fast-check';
import test from 'ava';
import { redactor, REMOVED, withoutSecretPlaces } from '../../src/bootstrap/support/redact.ts';

const none = redactor([]);
const KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
  type: 'pkcs8',
  format: 'pem',
}) as string;
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLXg';

/** The text holds a secret, and afterwards does not. */
const removes = test.macro((t, text: string, secret: string) => {
  t.true(text.includes(secret), 'the test’s own text');
  const result = none(text);
  t.false(result.includes(secret), result);
  t.true(result.includes(REMOVED));
});

test('a private key', removes, `before\n${KEY}after`, KEY.split('\n')[1] ?? '');
test('a private key that is cut off', removes, KEY.slice(0, 100), KEY.slice(40, 90));
test(
  'a private key that a journal has line by line',
  removes,
  KEY.trim()
    .split('\n')
    .map((line) => `Nov 24 10:00:00 cp1 x[1]: ${line}`)
    .join('\n'),
  KEY.split('\n')[2] ?? '',
);
test('a private key in JSON', removes, JSON.stringify({ pem: KEY }), KEY.split('\n')[2] ?? '');
test(
  'a key inside a kubeconfig',
  removes,
  `client-key-data: ${Buffer.from(KEY).toString('base64')}`,
  Buffer.from(KEY).toString('base64').slice(30, 90),
);
test('a token of a service account', removes, `got ${JWT} from x`, JWT);
test('a bootstrap token', removes, 'token abcdef.0123456789abcdef used', '0123456789abcdef');
test('a header', removes, '{"Authorization": "Bearer s3cr3t-s3cr3t"}', 's3cr3t-s3cr3t');
test('basic credentials', removes, 'sent Basic dXNlcjpwYXNz to it', 'dXNlcjpwYXNz');
test('credentials in an address', removes, 'proxy http://joe:hunter2@proxy:3128', 'hunter2');
test('an assignment', removes, 'DB_PASSWORD=hunter2 started', 'hunter2');
test('a quoted value with blanks', removes, '"apiKey": "hunter2 and more"', 'and more');
test('a flag', removes, 'run --token hunter2hunter2', 'hunter2hunter2');
test('a cookie', removes, 'Cookie: session=hunter2; b=c', 'hunter2');

test('what explains a fault stays readable', (t) => {
  for (const line of [
    'Nov 24 10:00:01 cp1 slipway-kubelet[12]: pod web-1 failed: no space left on device',
    'error: connection to https://10.0.0.1:6443 refused [E_API_CONNECT]',
    'ExecStart=/opt/slipway/current/slipway --tls-private-key-file=/etc/kubernetes/pki/apiserver.key',
    'GET /api/v1/namespaces/default/pods/x.y 200',
    'pulled sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
  ]) {
    t.is(none(line), line);
  }
  const around = none(`before\n${KEY.slice(0, 100)}\nafter it\n`);
  t.regex(around, /^before\n<removed>[^]*\nafter it\n$/, 'what comes after a key that is cut off');
});

test('known secrets go wherever they stand, plain or in base64', (t) => {
  const anywhere = property(
    string({ minLength: 4, maxLength: 30 }).filter((text) => text.trim().length >= 4),
    string(),
    string(),
    (secret, before, after) => {
      const value = secret.trim();
      pre(!REMOVED.includes(value));
      const redact = redactor([secret]);
      const base64 = Buffer.from(value).toString('base64').replace(/=+$/, '');
      return [value, base64].every((form) => {
        const [start, end] = [`${before}|`, `|${after}`];
        pre(!start.includes(form) && !end.includes(form));
        return !redact(start + form + end).includes(form);
      });
    },
  );
  t.notThrows(() => assert(anywhere, { seed: 7, numRuns: 300 }));
});

test('literal values of variables, applied configurations and managed fields are taken out of objects', (t) => {
  const pod = {
    metadata: {
      name: 'x',
      annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"hunter2"}', keep: 'me' },
      managedFields: [{ manager: 'x' }],
    },
    spec: {
      containers: [
        {
          env: [
            { name: 'A', value: 'hunter2' },
            { name: 'B', valueFrom: { secretKeyRef: { name: 's' } } },
          ],
        },
      ],
    },
  };
  const result = withoutSecretPlaces(pod);
  t.notRegex(JSON.stringify(result), /hunter2|managedFields/);
  t.like(result, {
    metadata: { name: 'x', annotations: { keep: 'me' } },
    spec: { containers: [{ env: [{ name: 'A', value: REMOVED }, { name: 'B' }] }] },
  });
});
