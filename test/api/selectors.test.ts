import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import {
  escapeFieldValue,
  exactField,
  formatFieldSelector,
  matchesFields,
  parseFieldSelector,
} from '../../src/api/field-selector.ts';
import {
  SelectorError,
  formatLabelSelector,
  matchesLabels,
  parseLabelSelector,
  selectorFromLabels,
  selectorFromObject,
} from '../../src/api/label-selector.ts';

/** What Go makes of each selector. */
function fixture(name: string): unknown {
  return JSON.parse(readFileSync(join(import.meta.dirname, `../fixtures/api/${name}.json`), 'utf8'));
}

const LABELS = fixture('labels') as {
  sets: Array<Record<string, string>>;
  cases: Array<{ text: string; error?: string; matches?: boolean[]; string?: string }>;
};
const FIELDS = fixture('fields') as Array<{ text: string; error?: string; requirements?: unknown[] | null }>;

for (const { text, error, matches, string } of LABELS.cases) {
  test(`label selector '${text}' is upstream's`, (t) => {
    if (error !== undefined) {
      t.throws(() => parseLabelSelector(text), { instanceOf: SelectorError, message: error });
      return;
    }
    const selector = parseLabelSelector(text);
    t.deepEqual(
      LABELS.sets.map((labels) => matchesLabels(selector, labels)),
      matches,
    );
    t.is(formatLabelSelector(selector), string ?? '');
    t.deepEqual(parseLabelSelector(formatLabelSelector(selector)), selector);
  });
}

for (const { text, error, requirements } of FIELDS) {
  test(`field selector '${text}' is upstream's`, (t) => {
    if (error !== undefined) {
      t.throws(() => parseFieldSelector(text), { instanceOf: SelectorError, message: error });
      return;
    }
    const selector = parseFieldSelector(text);
    t.deepEqual(selector, (requirements ?? []) as typeof selector);
    t.deepEqual(parseFieldSelector(formatFieldSelector(selector)), selector);
  });
}

test('a LabelSelector object: absent matches nothing, empty everything', (t) => {
  t.false(matchesLabels(selectorFromObject(undefined), {}));
  t.true(matchesLabels(selectorFromObject({}), { a: 'b' }));
  const selector = selectorFromObject({
    matchLabels: { app: 'web' },
    matchExpressions: [
      { key: 'tier', operator: 'In', values: ['a', 'b'] },
      { key: 'old', operator: 'DoesNotExist' },
    ],
  });
  t.true(matchesLabels(selector, { app: 'web', tier: 'b' }));
  t.false(matchesLabels(selector, { app: 'web', tier: 'b', old: '' }));
  t.false(matchesLabels(selector, { app: 'web' }));
  t.throws(() => selectorFromObject({ matchExpressions: [{ key: 'a', operator: 'Like' }] }), {
    message: '"Like" is not a valid label selector operator',
  });
  t.throws(() => selectorFromObject({ matchExpressions: [{ key: 'a', operator: 'In' }] }), {
    message: "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty",
  });
  t.true(matchesLabels(selectorFromLabels({ a: 'b' }), { a: 'b', c: 'd' }));
});

test('labels named like members of Object are ordinary', (t) => {
  t.false(matchesLabels(parseLabelSelector('constructor'), {}));
  t.true(matchesLabels(parseLabelSelector('!toString'), {}));
});

test('fields match by exact value, absent being empty', (t) => {
  const selector = parseFieldSelector('spec.nodeName=,status.phase!=Running');
  const fields: Record<string, string> = { 'status.phase': 'Pending' };
  t.true(matchesFields(selector, (field) => fields[field]));
  fields['status.phase'] = 'Running';
  t.false(matchesFields(selector, (field) => fields[field]));
  t.is(
    exactField(parseFieldSelector(`metadata.name=${escapeFieldValue('a,b=c')}`), 'metadata.name'),
    'a,b=c',
  );
  t.is(exactField(parseFieldSelector('metadata.name!=x'), 'metadata.name'), undefined);
});
