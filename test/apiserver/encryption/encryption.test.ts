import { randomBytes } from 'node:crypto';
import test from 'ava';
import * as fc from 'fast-check';
import { CONFIGMAPS, SECRETS } from '../../../src/api/gen/resources.ts';
import type { Secret } from '../../../src/api/gen/types/core-v1.ts';
import { EncryptedStorage } from '../../../src/apiserver/encryption/encrypted-storage.ts';
import { parseEncryptionConfig } from '../../../src/apiserver/encryption/encryption-config.ts';
import { Transformer } from '../../../src/apiserver/encryption/providers.ts';
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts';
import { storageContract } from '../../contract/storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const KEYS = { key1: randomBytes(32), key2: randomBytes(32) };
const key = (name: keyof typeof KEYS) => ({ name, secret: KEYS[name] });
const PLAIN = 'the-secret-in-the-clear';

/** An EncryptionConfiguration with one provider after the other, e.g. 'secretbox:key2,key1', 'identity'. */
function configText(resources: string[], ...providers: string[]): string {
  const lines = providers.map((provider) => {
    const [type, names] = provider.split(':');
    if (names === undefined) return { [type!]: {} };
    const keys = names
      .split(',')
      .map((name) => ({ name, secret: KEYS[name as keyof typeof KEYS].toString('base64') }));
    return { [type!]: { keys } };
  });
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources, providers: lines }],
  });
}

const encrypted = (below: MemoryStorage, ...providers: string[]): EncryptedStorage =>
  new EncryptedStorage(below, parseEncryptionConfig(configText(['secrets'], ...providers)));

storageContract(test, 'encrypted', async () => encrypted(new MemoryStorage(), 'secretbox:key1'));

for (const type of ['aescbc', 'aesgcm', 'secretbox'] as const) {
  test(`${type}: values come back as they were, look like noise below, and a changed one is refused`, (t) => {
    const transformer = new Transformer([{ type, keys: [key('key1')] }]);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (bytes, at) => {
        const sealed = transformer.seal('/registry/secrets/a/b', Buffer.from(bytes));
        const prefix = `k8s:enc:${type}:v1:key1:`;
        t.is(sealed.subarray(0, prefix.length).toString(), prefix);
        t.deepEqual(transformer.open('/registry/secrets/a/b', sealed).value, Buffer.from(bytes));
        if (bytes.length > 8) t.is(sealed.indexOf(Buffer.from(bytes)), -1);
        if (type === 'aescbc') return;
        const changed = Buffer.from(sealed);
        const index = prefix.length + (at % (sealed.length - prefix.length));
        changed[index]! ^= 1;
        t.throws(() => transformer.open('/registry/secrets/a/b', changed), { code: 'E_DECRYPT' });
      }),
      { seed: 7, numRuns: 50 },
    );
  });
}

test('a value that is moved to another key of the store is refused where the cipher binds it', (t) => {
  const transformer = new Transformer([{ type: 'aesgcm', keys: [key('key1')] }]);
  const sealed = transformer.seal('/registry/secrets/a/b', Buffer.from('x'));
  t.throws(() => transformer.open('/registry/secrets/a/other', sealed), { code: 'E_DECRYPT' });
});

test('old keys and plain values are read, and told to be stale', (t) => {
  const old = new Transformer([{ type: 'aescbc', keys: [key('key1')] }]).seal('/k', Buffer.from('v'));
  const now = new Transformer([
    { type: 'secretbox', keys: [key('key2')] },
    { type: 'aescbc', keys: [key('key1')] },
    { type: 'identity', keys: [] },
  ]);
  t.is(now.primary, 'secretbox:key2');
  t.deepEqual(now.open('/k', old), { value: Buffer.from('v'), stale: true });
  t.deepEqual(now.open('/k', Buffer.from('plain')), { value: Buffer.from('plain'), stale: true });
  t.false(now.open('/k', now.seal('/k', Buffer.from('v'))).stale);
  const without = new Transformer([{ type: 'secretbox', keys: [key('key2')] }]);
  t.throws(() => without.open('/k', old), { code: 'E_DECRYPT', message: /kept as k8s:enc:aescbc:v1:key1,/ });
  t.throws(() => without.open('/k', Buffer.from('plain')), { message: /kept as unencrypted/ });
});

test('the store below never sees what is encrypted, and watchers see it in the clear', async (t) => {
  const below = new MemoryStorage();
  const storage = encrypted(below, 'secretbox:key1');
  const seen: string[] = [];
  await storage.watch('/registry/', 1, {
    onEvents: (events) => {
      for (const { type, key: name, value, previous } of events) {
        seen.push(`${type} ${name} ${value.toString()} ${previous?.value.toString() ?? ''}`.trim());
      }
    },
    onEnd: () => undefined,
  });
  await storage.put('/registry/secrets/ns/s', Buffer.from('one'));
  const second = await storage.put('/registry/secrets/ns/s', Buffer.from('two'));
  t.is(second.ok && second.previous?.value.toString(), 'one');
  const refused = await storage.put('/registry/secrets/ns/s', Buffer.from('three'), 1);
  t.is(!refused.ok && refused.current?.value.toString(), 'two');
  await storage.put('/registry/configmaps/ns/c', Buffer.from('public'));
  const deleted = await storage.delete('/registry/secrets/ns/s');
  t.is(deleted.ok && deleted.previous?.value.toString(), 'two');
  await waitFor('all events', () => seen.length === 4);
  t.deepEqual(seen, [
    'put /registry/secrets/ns/s one',
    'put /registry/secrets/ns/s two one',
    'put /registry/configmaps/ns/c public',
    'delete /registry/secrets/ns/s  two',
  ]);
  t.is((await below.get('/registry/configmaps/ns/c')).kv?.value.toString(), 'public');
});

test('an API server encrypts Secrets, rewrites what an older key or none wrote, and reads them all', async (t) => {
  const below = new MemoryStorage();
  const secret = (name: string): Secret => ({
    metadata: { name, namespace: 'default' },
    stringData: { a: PLAIN },
  });
  const raw = async (): Promise<string[]> => {
    const { kvs } = await below.range({ prefix: '/registry/secrets/default/' });
    return kvs.map(
      ({ value }) => /^k8s:enc:[^:]+:v1:[^:]+/.exec(value.toString('latin1'))?.[0] ?? value.toString(),
    );
  };
  const withServer = async (
    providers: string[],
    body: (plane: Awaited<ReturnType<typeof startControlPlane>>) => Promise<void>,
  ): Promise<void> => {
    const storage = encrypted(below, ...providers);
    const plane = await startControlPlane({ storage, server: { encryptedStorage: storage } });
    const api = new RawApi(plane);
    try {
      await waitFor('everything is rewritten', async () =>
        (await api.get('/metrics')).body.toString().includes('\nslipway_encryption_rewriting 0\n'),
      );
      await body(plane);
    } finally {
      api.close();
      await plane.close();
    }
  };
  const plain = await startControlPlane({ storage: below });
  await plain.client().create(SECRETS, secret('before'));
  await plain
    .client()
    .create(CONFIGMAPS, { metadata: { name: 'open', namespace: 'default' }, data: { a: PLAIN } });
  await plain.close();
  t.regex((await raw())[0] ?? '', /^\{/);
  const both = ['before', 'after'];
  const readAll = async (plane: Awaited<ReturnType<typeof startControlPlane>>): Promise<void> => {
    for (const name of both) {
      const { data } = await plane.client().get(SECRETS, { name, namespace: 'default' });
      t.is(Buffer.from(data?.['a'] ?? '', 'base64').toString(), PLAIN);
    }
  };
  await withServer(['secretbox:key1', 'identity'], async (plane) => {
    await plane.client().create(SECRETS, secret('after'));
    await readAll(plane);
    t.deepEqual(await raw(), ['k8s:enc:secretbox:v1:key1', 'k8s:enc:secretbox:v1:key1']);
    const { kvs } = await below.range({ prefix: '/registry/secrets/' });
    const encoded = Buffer.from(PLAIN).toString('base64');
    t.false(kvs.some(({ value }) => value.includes(PLAIN) || value.includes(encoded)));
    t.true((await below.get('/registry/configmaps/default/open')).kv?.value.includes(PLAIN));
  });
  await withServer(['secretbox:key2,key1'], async (plane) => {
    t.deepEqual(await raw(), ['k8s:enc:secretbox:v1:key2', 'k8s:enc:secretbox:v1:key2']);
    await readAll(plane);
  });
  await withServer(['secretbox:key2'], readAll);
  await withServer(['identity', 'secretbox:key2'], async (plane) => {
    await readAll(plane);
    t.true(
      (await raw()).every((value) => value.startsWith('{')),
      'encryption can be turned off again',
    );
  });
});

test('wildcards choose groups, and the first entry that fits decides', (t) => {
  const text = JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      { resources: ['events'], providers: [{ identity: {} }] },
      {
        resources: ['*.apps', '*.'],
        providers: [{ aesgcm: { keys: [{ name: 'a', secret: KEYS.key1.toString('base64') }] } }],
      },
      {
        resources: ['*.*'],
        providers: [{ secretbox: { keys: [{ name: 'b', secret: KEYS.key1.toString('base64') }] } }],
      },
    ],
  });
  const config = parseEncryptionConfig(text);
  t.is(config.transformerFor('events')?.primary, 'identity');
  t.is(config.transformerFor('secrets')?.primary, 'aesgcm:a');
  t.is(config.transformerFor('deployments.apps')?.primary, 'aesgcm:a');
  t.is(config.transformerFor('widgets.example.com')?.primary, 'secretbox:b');
  t.is(parseEncryptionConfig(configText(['secrets'], 'identity')).transformerFor('configmaps'), undefined);
});

const BROKEN: Array<[what: string, text: string, expected: RegExp]> = [
  ['no YAML', '{', /it is no YAML/],
  ['another kind', 'kind: Pod', /it must be of apiserver\.config\.k8s\.io\/v1/],
  ['no resources', configText([], 'identity'), /resources\[0\]\.resources must be a list that is not empty/],
  ['no providers', configText(['secrets']), /resources\[0\]\.providers must be a list/],
  ['an unknown provider', configText(['secrets'], 'rot13'), /providers\[0\]\.rot13 is not supported/],
  ['a lone star', configText(['*'], 'identity'), /resources\[0\] \*: use/],
  [
    'a short key',
    configText(['secrets'], 'secretbox:key1').replace(KEYS.key1.toString('base64'), 'c2hvcnQ='),
    /providers\[0\]\.secretbox\.keys\[0\]\.secret has 5 bytes, and must have 32/,
  ],
  [
    'a secret that is not base64',
    configText(['secrets'], 'secretbox:key1').replace(KEYS.key1.toString('base64'), 'p@ss'),
    /keys\[0\]\.secret must be base64/,
  ],
];

for (const [what, text, expected] of BROKEN) {
  test(`an encryption configuration with ${what} names the field and the rule, not the secret`, (t) => {
    const error = t.throws(() => parseEncryptionConfig(text), {
      code: 'E_ENCRYPTION_CONFIG',
      message: expected,
    });
    t.notRegex(error?.message ?? '', /p@ss|c2hvcnQ/);
  });
}
