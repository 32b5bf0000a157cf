import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { ExecutionContext } from 'ava';
import { EncryptedStorage } from '../../../src/apiserver/encryption/encrypted-storage.ts';
import { parseEncryptionConfig } from '../../../src/apiserver/encryption/encryption-config.ts';
import { decodeEnvelope, encodeEnvelope } from '../../../src/apiserver/encryption/kms/envelope.ts';
import { GrpcKmsService } from '../../../src/apiserver/encryption/kms/grpc-kms-service.ts';
import { KmsProvider } from '../../../src/apiserver/encryption/kms/kms-provider.ts';
import {
  followEncryptionConfig,
  startEncryptionConfig,
} from '../../../src/apiserver/encryption/load-config.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { MemoryStorage } from '../../../src/storage/memory/memory-storage.ts';
import type { StorageEvent } from '../../../src/storage/storage.ts';
import { storageContract } from '../../contract/storage.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { createClock } from '../../helpers/fake-clock.ts';
import { KmsPlugin } from '../../helpers/kms-plugin.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { waitFor } from '../../helpers/wait-for.ts';

const PLAIN = 'the-secret-in-the-clear';
const KEY = '/registry/secrets/a/b';
const deps = { clock: systemClock, log: silentLogger };

function configText(plugin: KmsPlugin, ...others: object[]): string {
  const kms = { apiVersion: 'v2', name: 'mine', endpoint: plugin.endpoint, timeout: '2s' };
  return JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: [{ kms }, ...others] }],
  });
}

async function pluginOf(t: ExecutionContext): Promise<{ plugin: KmsPlugin; directory: string }> {
  const directory = await temporaryDirectory(t);
  const plugin = await KmsPlugin.start(directory);
  t.teardown(() => plugin.stop());
  return { plugin, directory };
}

async function storageOf(
  t: ExecutionContext,
  below: MemoryStorage,
  plugin: KmsPlugin,
): Promise<EncryptedStorage> {
  const config = await startEncryptionConfig(configText(plugin, { identity: {} }), deps);
  t.teardown(() => config.services.forEach((service) => service.close()));
  return new EncryptedStorage(below, config);
}

function providerOf(t: ExecutionContext, plugin: KmsPlugin, clock = createClock()): KmsProvider {
  const service = new GrpcKmsService({
    name: 'mine',
    endpoint: plugin.endpoint,
    timeoutMs: 2_000,
    clock: systemClock,
  });
  const provider = new KmsProvider({ name: 'mine', service, clock, log: silentLogger });
  t.teardown(() => provider.close());
  return provider;
}

let shared: { plugin: KmsPlugin; directory: string };
test.before(async () => {
  const directory = await mkdtemp(join(tmpdir(), 'slipway-kms-'));
  shared = { directory, plugin: await KmsPlugin.start(directory) };
});
test.after.always(async () => {
  shared.plugin.stop();
  await rm(shared.directory, { recursive: true, force: true });
});

storageContract(test, 'sealed by a service', async () => {
  const config = await startEncryptionConfig(configText(shared.plugin), deps);
  return new EncryptedStorage(new MemoryStorage(), config);
});

test('values are sealed with one key of the service, and opened without it while that is known', async (t) => {
  const { plugin } = await pluginOf(t);
  const below = new MemoryStorage();
  const storage = await storageOf(t, below, plugin);
  for (let index = 0; index < 20; index++) await storage.put(`${KEY}${index}`, Buffer.from(PLAIN));
  const raw = (await below.get(`${KEY}3`)).kv?.value ?? Buffer.alloc(0);
  t.is(raw.subarray(0, 20).toString(), 'k8s:enc:kms:v2:mine:');
  t.is(raw.indexOf(PLAIN), -1);
  t.is((await storage.get(`${KEY}3`)).kv?.value.toString(), PLAIN);
  t.deepEqual({ ...plugin.calls }, { Status: 1, Encrypt: 1, Decrypt: 0 });
  // Another server knows nothing yet: it asks once, however many values it reads at once.
  const other = await storageOf(t, below, plugin);
  const read = await Promise.all(Array.from({ length: 20 }, (_, index) => other.get(`${KEY}${index}`)));
  t.true(read.every(({ kv }) => kv?.value.toString() === PLAIN));
  t.is(plugin.calls.Decrypt, 1);
  t.is((await other.range({ prefix: '/registry/secrets/' })).kvs.length, 20);
  t.is(plugin.calls.Decrypt, 1);
});

test('what upstream’s server has sealed with the same service is opened', async (t) => {
  const { key, value } = JSON.parse(readFileSync('test/fixtures/encryption/kms-v2.json', 'utf8')) as {
    key: string;
    value: string;
  };
  const { plugin } = await pluginOf(t);
  const below = new MemoryStorage();
  await below.put(key, Buffer.from(value, 'base64'));
  const storage = await storageOf(t, below, plugin);
  const opened = (await storage.get(key)).kv?.value.toString('latin1') ?? '';
  t.true(opened.startsWith('k8s\0'));
  t.true(opened.includes('in-the-clear'));
});

test('an envelope that was changed, or moved to another place, is refused', async (t) => {
  const { plugin } = await pluginOf(t);
  const provider = providerOf(t, plugin);
  await provider.start();
  const sealed = provider.seal(Buffer.from(PLAIN), Buffer.from(KEY));
  t.is(provider.open(sealed, Buffer.from(KEY)).value.toString(), PLAIN);
  t.throws(() => provider.open(sealed, Buffer.from('/registry/secrets/a/other')));
  const envelope = decodeEnvelope(sealed);
  for (const at of [0, 40, envelope.data.length - 1]) {
    const data = Buffer.from(envelope.data);
    data[at]! ^= 1;
    t.throws(() => provider.open(encodeEnvelope({ ...envelope, data }), Buffer.from(KEY)));
  }
  t.throws(() => decodeEnvelope(encodeEnvelope({ ...envelope, keyId: '' })), { message: /keyID is empty/ });
  t.throws(() => decodeEnvelope(encodeEnvelope({ ...envelope, sourceType: 7 })), { message: /unknown/ });
  t.throws(() => decodeEnvelope(sealed.subarray(0, sealed.length - 3)), { message: /cut off/ });
});

test('while the service is away, known values are read; writes go on for three minutes and then fail', async (t) => {
  const { plugin } = await pluginOf(t);
  const clock = createClock();
  const provider = providerOf(t, plugin, clock);
  await provider.start();
  const sealed = provider.seal(Buffer.from(PLAIN), Buffer.from(KEY));
  plugin.refuses = true;
  await clock.advance(60_000);
  await waitFor('the problem to be known', () => provider.problem !== undefined);
  t.notThrows(() => provider.seal(Buffer.from(PLAIN), Buffer.from(KEY)));
  await clock.advance(121_000);
  t.throws(() => provider.seal(Buffer.from(PLAIN), Buffer.from(KEY)), { code: 'E_KMS' });
  t.is(provider.open(sealed, Buffer.from(KEY)).value.toString(), PLAIN);
  plugin.refuses = false;
  await waitFor('the service to be well', async () => {
    await clock.advance(10_000);
    return provider.problem === undefined;
  });
  t.notThrows(() => provider.seal(Buffer.from(PLAIN), Buffer.from(KEY)));
});

test('a service that says that it is not well, and one that answers nonsense, are problems with a name', async (t) => {
  const { plugin } = await pluginOf(t);
  plugin.healthz = 'no disk';
  plugin.keyId = 'x'.repeat(2_000);
  const clock = createClock();
  const provider = providerOf(t, plugin, clock);
  const started = provider.start();
  await waitFor('it to give up waiting', async () => {
    await clock.advance(1_000);
    return plugin.calls.Status >= 10;
  });
  await clock.advance(1_000);
  await started;
  t.regex(provider.problem ?? '', /healthz status: no disk, got invalid KMSv2 KeyID: keyID is 2000 bytes/);
  t.throws(() => provider.seal(Buffer.from(PLAIN), Buffer.from(KEY)), { code: 'E_KMS' });
});

test('a rotated key seals what comes, and what was there is sealed anew by the server', async (t) => {
  const { plugin, directory } = await pluginOf(t);
  const below = new MemoryStorage();
  const clock = createClock();
  const provider = providerOf(t, plugin, clock);
  await provider.start();
  const encryptedStorage = new EncryptedStorage(
    below,
    parseEncryptionConfig(configText(plugin), () => provider),
  );
  const plane = await startControlPlane({ storage: encryptedStorage, server: { encryptedStorage } });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  const secrets = '/api/v1/namespaces/default/secrets';
  for (const name of ['a', 'b', 'c']) {
    t.is((await api.post(secrets, { metadata: { name }, stringData: { x: PLAIN } })).status, 201);
  }
  const keyIds = async () => {
    const { kvs } = await below.range({ prefix: '/registry/secrets/' });
    return kvs.map(({ value }) => decodeEnvelope(value.subarray('k8s:enc:kms:v2:mine:'.length)).keyId);
  };
  t.deepEqual(await keyIds(), ['key-1', 'key-1', 'key-1']);
  plugin.keyId = 'key-2';
  await clock.advance(60_000);
  await waitFor('everything to be sealed anew', async () => (await keyIds()).every((id) => id === 'key-2'));
  const [first] = (await api.get(secrets)).json()['items'] as Array<{ data: { x: string } }>;
  t.is(Buffer.from(first?.data.x ?? '', 'base64').toString(), PLAIN);
  t.truthy(directory);
  const ready = async () => (await api.get('/readyz?verbose')).body.toString();
  t.regex(await ready(), /^\[\+\]kms-providers ok$/m);
  plugin.healthz = 'gone';
  await clock.advance(60_000);
  await waitFor('the check to fail', async () => /^\[-\]kms-providers failed: /m.test(await ready()));
});

test('events whose key is unknown wait for the service, in their order', async (t) => {
  const { plugin } = await pluginOf(t);
  const below = new MemoryStorage();
  const writer = await storageOf(t, below, plugin);
  const reader = await storageOf(t, below, plugin);
  const seen: StorageEvent[] = [];
  const watch = await reader.watch('/registry/', 0, {
    onEvents: (events) => seen.push(...events),
    onEnd: (error) => t.fail(String(error)),
  });
  await writer.put(KEY, Buffer.from('1'));
  await writer.put('/registry/configmaps/a/b', Buffer.from('2'));
  await writer.put(KEY, Buffer.from('3'));
  await writer.delete(KEY);
  await waitFor('four events', () => seen.length === 4);
  t.deepEqual(
    seen.map(({ type, value }) => `${type} ${value.toString()}`),
    ['put 1', 'put 2', 'put 3', 'delete '],
  );
  watch.cancel();
});

test('a changed configuration is used without a restart, a wrong one is not', async (t) => {
  const { plugin, directory } = await pluginOf(t);
  const file = join(directory, 'encryption.yaml');
  const identity = JSON.stringify({
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [{ resources: ['secrets'], providers: [{ identity: {} }] }],
  });
  // Whole or not at all, as editors and mounted Secrets replace a file.
  const replace = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  replace(identity);
  const below = new MemoryStorage();
  const storage = new EncryptedStorage(below, await startEncryptionConfig(identity, deps));
  t.teardown(() => storage.close());
  const stop = new AbortController();
  t.teardown(() => stop.abort());
  let stale = 0;
  storage.onStale(() => (stale += 1));
  const tried: string[] = [];
  const log = {
    ...silentLogger,
    error: (...args: unknown[]) => tried.push(JSON.stringify(args)),
  } as unknown as typeof silentLogger;
  const following = followEncryptionConfig(file, identity, storage, {
    ...deps,
    log,
    signal: stop.signal,
    everyMs: 10,
  });
  await storage.put(KEY, Buffer.from(PLAIN));
  replace('nonsense: [');
  await waitFor('nonsense to be refused', () => tried.length === 1);
  replace(configText(plugin).replace('kms.sock', 'nobody.sock').replace('2s', '10ms'));
  await waitFor('a service that is not there to be refused', () => tried.length === 2);
  t.regex(tried[1] ?? '', /the key management service mine is not well/);
  t.is(stale, 0);
  replace(configText(plugin, { identity: {} }));
  await waitFor('the new configuration', () => stale === 1);
  t.is(await storage.rewriteStale('secrets'), 1);
  t.true((await below.get(KEY)).kv?.value.toString('latin1').startsWith('k8s:enc:kms:v2:mine:'));
  t.is((await storage.get(KEY)).kv?.value.toString(), PLAIN);
  stop.abort();
  await following;
});

for (const [change, message] of [
  [{ apiVersion: 'v1' }, /kms\.apiVersion must be v2/],
  [{ name: 'a:b' }, /kms\.name must be a name/],
  [{ endpoint: 'https://x' }, /kms\.endpoint must be a Unix socket/],
  [{ timeout: '0s' }, /kms\.timeout must be a duration above zero/],
  [{ timeout: 'soon' }, /kms\.timeout must be a duration above zero/],
  [{ cachesize: 10 }, /kms\.cachesize is not supported/],
] as const) {
  test(`a provider with ${JSON.stringify(change)} is refused before anything is connected`, (t) => {
    const kms = { apiVersion: 'v2', name: 'mine', endpoint: 'unix:///x.sock', ...change };
    const text = JSON.stringify({
      apiVersion: 'apiserver.config.k8s.io/v1',
      kind: 'EncryptionConfiguration',
      resources: [{ resources: ['secrets'], providers: [{ kms }] }],
    });
    const connect = () => {
      throw new Error('connected');
    };
    t.throws(() => parseEncryptionConfig(text, connect), { code: 'E_ENCRYPTION_CONFIG', message });
  });
}
