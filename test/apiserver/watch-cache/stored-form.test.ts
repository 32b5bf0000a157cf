import test from 'ava';
import { CONFIGMAPS, DEPLOYMENTS } from '../../../src/api/gen/resources.ts';
import { stringifyJson } from '../../../src/api/json/encode.ts';
import {
  registryPrefix,
  respliceRevision,
  spliceRevision,
  storedPrefix,
  toStoredText,
} from '../../../src/apiserver/watch-cache/stored-form.ts';

const object = {
  data: { a: '"resourceVersion":"9",' },
  metadata: { name: 'x', resourceVersion: '7', namespace: 'default' },
  kind: 'ConfigMap',
  apiVersion: 'v1',
};

test('the stored form has no version, and kind, apiVersion and metadata come first', (t) => {
  const text = toStoredText(CONFIGMAPS, object, stringifyJson);
  t.true(text.startsWith('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x",'));
  t.false(text.includes('"resourceVersion":"7"'));
});

test('a version is spliced in and exchanged without touching the rest', (t) => {
  const prefix = storedPrefix(CONFIGMAPS);
  const stored = Buffer.from(toStoredText(CONFIGMAPS, object, stringifyJson));
  const served = spliceRevision(stored, prefix, 42);
  t.deepEqual(JSON.parse(served.toString()), {
    ...object,
    metadata: { ...object.metadata, resourceVersion: '42' },
  });
  const later = respliceRevision(served, prefix, 42, 1000);
  t.deepEqual(JSON.parse(later.toString()), {
    ...object,
    metadata: { ...object.metadata, resourceVersion: '1000' },
  });
  t.is(served.buffer.byteLength, served.length, 'what is kept must not hold a larger block alive');
});

test('bytes that another writer put in another order are served all the same', (t) => {
  const foreign = Buffer.from('{"metadata":{"name":"x"},"apiVersion":"v1","kind":"ConfigMap"}');
  const served = spliceRevision(foreign, storedPrefix(CONFIGMAPS), 5);
  t.deepEqual(JSON.parse(served.toString()), {
    kind: 'ConfigMap',
    apiVersion: 'v1',
    metadata: { name: 'x', resourceVersion: '5' },
  });
});

test('each resource has a prefix of its own', (t) => {
  t.is(registryPrefix(CONFIGMAPS), '/registry/configmaps/');
  t.is(registryPrefix(DEPLOYMENTS), '/registry/deployments.apps/');
});
