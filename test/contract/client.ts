import type { ExecutionContext, TestFn } from 'ava';
import { CONFIGMAPS, DEPLOYMENTS, PODS } from '../../src/api/gen/resources.ts';
import type { ConfigMap, Pod } from '../../src/api/gen/types/core-v1.ts';
import type { Deployment } from '../../src/api/gen/types/apps-v1.ts';
import type { Client, WatchEvent } from '../../src/client/client.ts';
import { ApiError, isAlreadyExists, isConflict, isNotFound } from '../../src/client/errors.ts';
import { listAll } from '../../src/client/list-all.ts';

/** A client and a namespace of its own, for one test. */
export interface ClientFixture {
  client: Client;
  namespace: string;
  close(): Promise<void>;
}

/**
 * What every Client does, whatever is behind it: the fake in memory and the REST client with a real API
 * server run the same rows.
 */
export function clientContract(test: TestFn, name: string, open: () => Promise<ClientFixture>): void {
  for (const [title, run] of Object.entries(rows))
    test(`${name}: ${title}`, async (t) => {
      const fixture = await open();
      try {
        await run(fixture, t);
      } finally {
        await fixture.close();
      }
    });
}

type Row = (fixture: ClientFixture, t: ExecutionContext) => Promise<void>;

const map = (namespace: string, name: string, data: Record<string, string> = {}): ConfigMap => ({
  metadata: { name, namespace, labels: { name } },
  data,
});

const pod = (namespace: string, name: string, nodeName?: string): Pod => ({
  metadata: { name, namespace },
  spec: { nodeName, containers: [{ name: 'c', image: 'i' }] },
});

const deployment = (namespace: string): Deployment => ({
  metadata: { name: 'd', namespace },
  spec: {
    replicas: 1,
    selector: { matchLabels: { app: 'd' } },
    template: { metadata: { labels: { app: 'd' } }, spec: { containers: [{ name: 'c', image: 'i' }] } },
  },
});

async function next<T>(events: AsyncIterator<WatchEvent<T>>): Promise<[string, string | undefined]> {
  for (;;) {
    const { value, done } = await events.next();
    if (done) return ['END', undefined];
    const event = value as WatchEvent<ConfigMap>;
    if (event.type !== 'BOOKMARK') return [event.type, event.object.metadata?.name];
  }
}

const rows: Record<string, Row> = {
  'a created object has uid, version and time, and is read back': async ({ client, namespace }, t) => {
    const created = await client.create(CONFIGMAPS, map(namespace, 'a', { k: 'v' }));
    t.truthy(created.metadata?.uid);
    t.truthy(created.metadata?.resourceVersion);
    t.truthy(created.metadata?.creationTimestamp);
    const read = await client.get(CONFIGMAPS, { namespace, name: 'a' });
    t.deepEqual(read.data, { k: 'v' });
    t.is(read.metadata?.uid, created.metadata?.uid);
  },
  'generateName makes a name': async ({ client, namespace }, t) => {
    const created = await client.create(CONFIGMAPS, { metadata: { generateName: 'x-', namespace } });
    t.true(/^x-[a-z0-9]{5}$/.test(created.metadata?.name ?? ''));
  },
  'a second create under a name is AlreadyExists, a missing one is NotFound': async (
    { client, namespace },
    t,
  ) => {
    await client.create(CONFIGMAPS, map(namespace, 'a'));
    t.true(isAlreadyExists(await t.throwsAsync(client.create(CONFIGMAPS, map(namespace, 'a')))));
    t.true(isNotFound(await t.throwsAsync(client.get(CONFIGMAPS, { namespace, name: 'b' }))));
    t.true(isNotFound(await t.throwsAsync(client.delete(CONFIGMAPS, { namespace, name: 'b' }))));
  },
  'an update with an old version is a Conflict and changes nothing': async ({ client, namespace }, t) => {
    const first = await client.create(CONFIGMAPS, map(namespace, 'a', { k: '1' }));
    await client.update(CONFIGMAPS, { ...first, data: { k: '2' } });
    t.true(isConflict(await t.throwsAsync(client.update(CONFIGMAPS, { ...first, data: { k: '3' } }))));
    t.deepEqual((await client.get(CONFIGMAPS, { namespace, name: 'a' })).data, { k: '2' });
  },
  'lists filter by label and field, and come in pages': async ({ client, namespace }, t) => {
    for (const name of ['a', 'b', 'c']) await client.create(CONFIGMAPS, map(namespace, name));
    const names = async (options: object): Promise<string[]> =>
      (await listAll(client, CONFIGMAPS, { namespace, ...options })).items
        .map((item) => item.metadata?.name ?? '')
        .sort();
    t.deepEqual(await names({ labelSelector: 'name in (a,b)' }), ['a', 'b']);
    t.deepEqual(await names({ labelSelector: 'name!=a,name' }), ['b', 'c']);
    t.deepEqual(await names({ fieldSelector: 'metadata.name=c' }), ['c']);
    const page = await client.list(CONFIGMAPS, { namespace, limit: 2, labelSelector: 'name' });
    t.is(page.items.length, 2);
    t.truthy(page.metadata.continue);
    const rest = await client.list(CONFIGMAPS, {
      namespace,
      limit: 2,
      labelSelector: 'name',
      continue: page.metadata.continue,
    });
    t.is(rest.items.length, 1);
  },
  'a spec change counts the generation up, a status change does not': async ({ client, namespace }, t) => {
    const created = await client.create(DEPLOYMENTS, deployment(namespace));
    t.is(created.metadata?.generation, 1);
    const scaled = await client.patch(
      DEPLOYMENTS,
      { namespace, name: 'd' },
      { spec: { replicas: 2 } },
      { type: 'merge' },
    );
    t.is(scaled.metadata?.generation, 2);
    const seen = await client.update(
      DEPLOYMENTS,
      { ...scaled, spec: { ...deployment(namespace).spec!, replicas: 9 }, status: { observedGeneration: 2 } },
      { subresource: 'status' },
    );
    t.is(seen.metadata?.generation, 2);
    t.is(seen.status?.observedGeneration, 2);
    t.is(seen.spec?.replicas, 2);
    const kept = await client.update(DEPLOYMENTS, { ...seen, status: { observedGeneration: 7 } });
    t.is(kept.status?.observedGeneration, 2);
  },
  'JSON, merge and strategic patches do what each does': async ({ client, namespace }, t) => {
    await client.create(PODS, pod(namespace, 'p'));
    const ref = { namespace, name: 'p' };
    const labelled = await client.patch(PODS, ref, { metadata: { labels: { a: '1' } } }, { type: 'merge' });
    t.deepEqual(labelled.metadata?.labels, { a: '1' });
    const moved = await client.patch(PODS, ref, [{ op: 'replace', path: '/metadata/labels/a', value: '2' }], {
      type: 'json',
    });
    t.deepEqual(moved.metadata?.labels, { a: '2' });
    const condition = (type: string, status: string): object => ({
      status: { conditions: [{ type, status }] },
    });
    await client.patch(PODS, ref, condition('A', 'True'), { type: 'strategic', subresource: 'status' });
    const both = await client.patch(PODS, ref, condition('B', 'False'), {
      type: 'strategic',
      subresource: 'status',
    });
    t.deepEqual(both.status?.conditions?.map(({ type }) => type).sort(), ['A', 'B']);
  },
  'a precondition guards a delete': async ({ client, namespace }, t) => {
    const created = await client.create(CONFIGMAPS, map(namespace, 'a'));
    const ref = { namespace, name: 'a' };
    t.true(
      isConflict(await t.throwsAsync(client.delete(CONFIGMAPS, ref, { preconditions: { uid: 'other' } }))),
    );
    await client.delete(CONFIGMAPS, ref, { preconditions: { uid: created.metadata?.uid } });
    t.true(isNotFound(await t.throwsAsync(client.get(CONFIGMAPS, ref))));
  },
  'a finalizer holds a deleted object until it is removed': async ({ client, namespace }, t) => {
    const object = map(namespace, 'a');
    object.metadata!.finalizers = ['example.com/hold'];
    await client.create(CONFIGMAPS, object);
    await client.delete(CONFIGMAPS, { namespace, name: 'a' });
    const held = await client.get(CONFIGMAPS, { namespace, name: 'a' });
    t.truthy(held.metadata?.deletionTimestamp);
    await client.patch(
      CONFIGMAPS,
      { namespace, name: 'a' },
      { metadata: { finalizers: null } },
      { type: 'merge' },
    );
    t.true(isNotFound(await t.throwsAsync(client.get(CONFIGMAPS, { namespace, name: 'a' }))));
  },
  'a bound pod is given time to stop, an unbound one goes at once': async ({ client, namespace }, t) => {
    await client.create(PODS, pod(namespace, 'bound'));
    await client.createSubresource(PODS, { namespace, name: 'bound' }, 'binding', {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name: 'bound', namespace },
      target: { kind: 'Node', name: 'n1' },
    });
    t.is((await client.get(PODS, { namespace, name: 'bound' })).spec?.nodeName, 'n1');
    await client.delete(PODS, { namespace, name: 'bound' });
    t.is((await client.get(PODS, { namespace, name: 'bound' })).metadata?.deletionGracePeriodSeconds, 30);
    await client.delete(PODS, { namespace, name: 'bound' }, { gracePeriodSeconds: 0 });
    await client.create(PODS, pod(namespace, 'unbound'));
    await client.delete(PODS, { namespace, name: 'unbound' });
    for (const name of ['bound', 'unbound'])
      t.true(isNotFound(await t.throwsAsync(client.get(PODS, { namespace, name }))));
  },
  'a watch tells what happens after its version, in order': async ({ client, namespace }, t) => {
    const before = await client.create(CONFIGMAPS, map(namespace, 'a'));
    const stop = new AbortController();
    const options = { namespace, resourceVersion: before.metadata?.resourceVersion, signal: stop.signal };
    const events = client.watch(CONFIGMAPS, options)[Symbol.asyncIterator]();
    await client.create(CONFIGMAPS, map(namespace, 'b'));
    await client.update(CONFIGMAPS, { ...before, data: { k: 'v' } });
    await client.delete(CONFIGMAPS, { namespace, name: 'b' });
    t.deepEqual(
      [await next(events), await next(events), await next(events)],
      [
        ['ADDED', 'b'],
        ['MODIFIED', 'a'],
        ['DELETED', 'b'],
      ],
    );
    const end = events.next();
    stop.abort();
    t.is((await end).done, true);
  },
  'a watch with a selector tells what enters and leaves it': async ({ client, namespace }, t) => {
    const a = await client.create(CONFIGMAPS, map(namespace, 'a'));
    const stop = new AbortController();
    const options = {
      namespace,
      labelSelector: 'on=yes',
      resourceVersion: a.metadata?.resourceVersion,
      signal: stop.signal,
    };
    const events = client.watch(CONFIGMAPS, options)[Symbol.asyncIterator]();
    const label = (on: string | null): Promise<ConfigMap> =>
      client.patch(CONFIGMAPS, { namespace, name: 'a' }, { metadata: { labels: { on } } }, { type: 'merge' });
    await label('yes');
    await label(null);
    t.deepEqual(
      [await next(events), await next(events)],
      [
        ['ADDED', 'a'],
        ['DELETED', 'a'],
      ],
    );
    stop.abort();
  },
  'a watch can begin with what is there and says when that is told': async ({ client, namespace }, t) => {
    for (const name of ['a', 'b']) await client.create(CONFIGMAPS, map(namespace, name));
    const stop = new AbortController();
    const seen: string[] = [];
    const options = {
      namespace,
      labelSelector: 'name',
      sendInitialEvents: true,
      allowWatchBookmarks: true,
      signal: stop.signal,
    };
    for await (const event of client.watch(CONFIGMAPS, options)) {
      seen.push(`${event.type} ${event.object.metadata?.name ?? ''}`);
      if (event.object.metadata?.annotations?.['k8s.io/initial-events-end'] === 'true') break;
    }
    t.deepEqual(seen.sort(), ['ADDED a', 'ADDED b', 'BOOKMARK ']);
  },
  'metadata alone can be asked for': async ({ client, namespace }, t) => {
    await client.create(CONFIGMAPS, map(namespace, 'a', { k: 'v' }));
    const read = await client.get(CONFIGMAPS, { namespace, name: 'a' }, { metadataOnly: true });
    t.is(read.kind, 'PartialObjectMetadata');
    t.is(read.data, undefined);
    const list = await client.list(CONFIGMAPS, { namespace, labelSelector: 'name', metadataOnly: true });
    t.deepEqual(
      list.items.map((item) => [item.metadata?.name, item.data]),
      [['a', undefined]],
    );
  },
  'a collection is deleted by its selector': async ({ client, namespace }, t) => {
    for (const name of ['a', 'b']) await client.create(CONFIGMAPS, map(namespace, name));
    await client.deleteCollection(CONFIGMAPS, { namespace, labelSelector: 'name=a' });
    const left = await client.list(CONFIGMAPS, { namespace, labelSelector: 'name' });
    t.deepEqual(
      left.items.map((item) => item.metadata?.name),
      ['b'],
    );
  },
  'a dry run changes nothing': async ({ client, namespace }, t) => {
    await client.create(CONFIGMAPS, map(namespace, 'a'), { dryRun: true });
    const error = await t.throwsAsync(client.get(CONFIGMAPS, { namespace, name: 'a' }));
    t.true(error instanceof ApiError && isNotFound(error));
  },
};
