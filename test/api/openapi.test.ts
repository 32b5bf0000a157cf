import test from 'ava';
import { definitions } from '../../src/api/openapi/v2.ts';
import { componentSchemas } from '../../src/api/openapi/v3.ts';
import { isObject } from '../../src/api/objects.ts';
import { builtInGroupVersions } from '../../src/api/schema.ts';
import { hasFacts, readFacts, testWithFacts } from '../helpers/facts.ts';

/** The same schema in one shape: allOf around one reference opened, required sorted, enums (not in the facts) off. */
function normalise(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item) => normalise(item));
  if (!isObject(value)) return value;
  const { allOf, ...rest } = value;
  const opened: Record<string, unknown> =
    Array.isArray(allOf) && allOf.length === 1 && isObject(allOf[0]) ? { ...allOf[0], ...rest } : value;
  return Object.fromEntries(
    Object.entries(opened)
      .filter(([key, item]) => !(key === 'enum' && Array.isArray(item)))
      .map(([key, item]) => {
        const isRequired = key === 'required' && Array.isArray(item);
        return [key, isRequired ? item.map(String).toSorted((a, b) => (a < b ? -1 : 1)) : normalise(item)];
      }),
  );
}

function factsFile(group: string, version: string): string {
  return `openapi-v3/${group === '' ? 'api__v1' : `apis__${group}__${version}`}.json`;
}

for (const { group, version } of builtInGroupVersions()) {
  const file = factsFile(group, version);
  // Reviews of webhooks, discovery and metrics are not in the facts: this server does not serve them as resources.
  if (hasFacts('resources.jsonl') && !hasFacts(file)) continue;
  testWithFacts(`the schemas of ${group === '' ? version : `${group}/${version}`} are upstream's`, (t) => {
    const { schemas } = JSON.parse(readFacts(file)) as { schemas: Record<string, unknown> };
    const made = componentSchemas(group, version);
    t.deepEqual(Object.keys(made).toSorted(byText), Object.keys(schemas).toSorted(byText));
    for (const [name, schema] of Object.entries(schemas)) {
      const wanted = normalise(schema) as Record<string, Record<string, Record<string, unknown>>>;
      // A list type on a field of bytes is a slip of upstream's markers.
      if (name.endsWith('.APIServiceSpec')) delete wanted.properties!.caBundle!['x-kubernetes-list-type'];
      t.deepEqual(normalise(made[name]), wanted, name);
    }
  });
}

function byText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

test('enums are in the schemas', (t) => {
  const { properties } = componentSchemas('', 'v1')['io.k8s.api.core.v1.ContainerPort'] as {
    properties: Record<string, unknown>;
  };
  t.deepEqual(properties.protocol, { type: 'string', enum: ['SCTP', 'TCP', 'UDP'], default: 'TCP' });
});

test('the v2 definitions refer only to each other', (t) => {
  const all = definitions();
  const refs = [...JSON.stringify(all).matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)].map(
    (match) => match[1]!,
  );
  t.true(refs.length > 500);
  t.deepEqual(
    refs.filter((name) => !Object.hasOwn(all, name)),
    [],
  );
  t.false(JSON.stringify(all).includes('#/components/schemas'));
  t.deepEqual(all['io.k8s.apimachinery.pkg.util.intstr.IntOrString'], {
    format: 'int-or-string',
    type: 'string',
  });
  const options = all['io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'] as Record<string, unknown>;
  const kinds = options['x-kubernetes-group-version-kind'] as Array<{ group: string }>;
  t.true(kinds.length > 15);
  t.is(kinds.filter(({ group }) => group === '').length, 1);
});
