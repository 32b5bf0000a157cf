import type { ResourceDefinition, Subresource } from '../../../src/apiserver/resource-definition.ts';
import { readFacts, testWithFacts } from '../../helpers/facts.ts';
import { definitions } from './rows.ts';

interface Fact {
  group: string;
  version: string;
  resource: string;
  kind: string;
  scope: string;
  singular: string;
  shortNames: string[];
  categories: string[];
  verbs: string[];
  subresources: Array<{ name: string; kind: string; group: string; version: string; verbs: string[] }>;
}

const ALL_VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];
/** HTTP methods as discovery names them. */
const VERB_OF: Readonly<Record<string, string>> = {
  get: 'get',
  post: 'create',
  put: 'update',
  patch: 'patch',
  delete: 'delete',
};

function described(definition: ResourceDefinition): Fact {
  const { info } = definition;
  return {
    group: info.group,
    version: info.version,
    resource: info.resource,
    kind: info.kind,
    scope: info.namespaced ? 'Namespaced' : 'Cluster',
    singular: definition.singularName ?? info.kind.toLowerCase(),
    shortNames: [...(definition.shortNames ?? [])].sort(),
    categories: [...(definition.categories ?? [])].sort(),
    verbs: [...(definition.virtual ? ['create'] : (definition.verbs ?? ALL_VERBS))].sort(),
    subresources: (definition.subresources ?? [])
      .map((sub) => ({ name: sub.name, ...kindOf(sub, info), verbs: verbsOf(sub) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

function kindOf(sub: Subresource<object>, info: ResourceDefinition['info']) {
  if (sub.type === 'scale') return { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  return sub.type === 'part' ? { group: info.group, version: info.version, kind: info.kind } : sub.kind;
}

function verbsOf(sub: Subresource<object>): string[] {
  if (sub.type === 'connect') {
    return [...new Set(sub.methods.flatMap((method) => VERB_OF[method] ?? []))].sort();
  }
  const byDefault = ['get', 'patch', 'update'];
  return [...(sub.type === 'scale' ? byDefault : (sub.verbs ?? byDefault))].sort();
}

testWithFacts('the built-in kinds have the names, verbs and subresources of upstream', (t) => {
  // One resource a line; the versions that are served by default are compared.
  const facts = readFacts('resources.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Fact)
    .filter(({ version }) => /^v[0-9]+$/.test(version));
  t.true(facts.length > 60);
  const ours = new Map(
    definitions
      .filter(({ skipInDiscovery }) => !skipInDiscovery)
      .map((one) => [`${one.info.group}/${one.info.version}/${one.info.resource}`, described(one)]),
  );
  for (const fact of facts) {
    const key = `${fact.group}/${fact.version}/${fact.resource}`;
    const sorted = {
      ...fact,
      shortNames: fact.shortNames.sort(),
      categories: fact.categories.sort(),
      verbs: fact.verbs.sort(),
      subresources: fact.subresources.map((sub) => ({
        ...sub,
        // Left out where it is the resource's own.
        group: sub.version === '' ? fact.group : sub.group,
        version: sub.version === '' ? fact.version : sub.version,
      })),
    };
    t.deepEqual(ours.get(key), sorted, key);
    ours.delete(key);
  }
  t.deepEqual([...ours.keys()], [], 'kinds that upstream does not serve');
});
