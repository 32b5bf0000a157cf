import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { upPhases } from '../../src/bootstrap/actions/up.ts';

const phases = upPhases(() => Promise.reject(new Error('nobody connects')));

test('every check comes before the first change: a refused run has changed nothing', (t) => {
  const kinds = phases.map(({ kind }) => kind);
  t.is(
    kinds.lastIndexOf('check') + 1,
    kinds.findIndex((kind) => kind !== 'check'),
  );
});

test('docs/phases.md lists the phases in their order, with their kinds', (t) => {
  const text = readFileSync(fileURLToPath(new URL('../../docs/phases.md', import.meta.url)), 'utf8');
  const rows = [...text.matchAll(/^\| (`[^|]+`) \| (check|change|wait) \|/gm)];
  const documented = rows.flatMap(([, names = '', kind = '']) =>
    [...names.matchAll(/`([^`]+)`/g)].map(([, id = '']) => `${id} ${kind}`),
  );
  t.deepEqual(
    documented,
    phases.map(({ id, kind }) => `${id} ${kind}`),
  );
});
