import test from 'ava';
import { ALL_RESOURCES, EVENTS, EVENTS_V1, NODES_METRICS, PODS } from '../../src/api/gen/resources.ts';
import { resourcePath } from '../../src/api/resource.ts';
import { schemaForKind } from '../../src/api/schema.ts';
import { readFacts, testWithFacts } from '../helpers/facts.ts';

interface Fact {
  group: string;
  version: string;
  resource: string;
  kind: string;
  scope: string;
}

testWithFacts('the resources are those that upstream serves by default', (t) => {
  const facts = readFacts('resources.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Fact)
    .filter(({ version }) => /^v\d+$/.test(version));
  const wanted = facts.map(({ scope, ...fact }) => `${lineOf(fact)} ${scope === 'Namespaced'}`);
  const made = ALL_RESOURCES.map((resource) => `${lineOf(resource)} ${resource.namespaced}`);
  t.deepEqual(made.toSorted(byText), wanted.toSorted(byText));
  t.is(made.length, new Set(made).size);
});

const byText = (a: string, b: string): number => (a === b ? 0 : a < b ? -1 : 1);

function lineOf(entry: { group: string; version: string; resource: string; kind: string }): string {
  return `${entry.group}/${entry.version} ${entry.resource} ${entry.kind}`;
}

test('every resource and its list have a schema', (t) => {
  for (const { group, version, kind, resource } of ALL_RESOURCES) {
    const schema = schemaForKind(group, version, kind);
    t.is(schema?.name, kind);
    t.true(schema?.fields.has('metadata'), resource);
  }
  t.is(schemaForKind('', 'v1', 'PodList')?.openApiName, 'io.k8s.api.core.v1.PodList');
  t.is(
    schemaForKind('apps', 'v1', 'DeleteOptions')?.openApiName,
    'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  );
  t.is(schemaForKind('apps', 'v1', 'Pod'), undefined);
  t.is(schemaForKind('', 'v1', 'PodSpec'), undefined);
  t.is(schemaForKind('nope', 'v1', 'Pod'), undefined);
});

test('resources of the same name are told apart', (t) => {
  t.is(EVENTS.group, '');
  t.is(EVENTS_V1.group, 'events.k8s.io');
  t.is(NODES_METRICS.group, 'metrics.k8s.io');
  t.is(resourcePath(PODS, { namespace: 'a', name: 'b' }), '/api/v1/namespaces/a/pods/b');
});

test('a field knows how it is merged, listed and defaulted', (t) => {
  const spec = schemaForKind('', 'v1', 'Pod')?.fields.get('spec')?.schema;
  t.true(spec?.kind === 'message');
  if (spec?.kind !== 'message') return;
  const containers = spec.fields.get('containers');
  t.is(containers?.patchMergeKey, 'name');
  t.deepEqual(containers?.patchStrategy, ['merge']);
  t.true(containers?.required);
  t.is(containers?.schema.kind === 'list' ? containers.schema.listType : '', 'map');
  t.deepEqual(containers?.schema.kind === 'list' ? containers.schema.listMapKeys : [], ['name']);
  const tolerations = spec.fields.get('tolerations')?.schema;
  t.is(tolerations?.kind === 'list' ? tolerations.listType : '', 'atomic');
  const volumes = spec.fields.get('volumes')?.schema;
  const volume = volumes?.kind === 'list' && volumes.items.kind === 'message' ? volumes.items : undefined;
  t.true(volume?.fields.has('emptyDir'), 'the members of an inlined message stand in their holder');
  t.false(volume?.fields.has('volumeSource'));
});
