import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import { answersOf, readTable, rowTitle, tableNames } from './table.ts';

const names = tableNames();

test('the tables hold at least 600 rows of objects and 150 of patches, all answered alike', (t) => {
  const all = names.flatMap((name) => readTable(name).rows);
  const rows = all.filter((row) => !row.gap);
  t.log(`${all.length} rows, of which ${all.length - rows.length} are known to be answered otherwise`);
  const patches = rows.filter((row) => row.do === 'patch').length;
  t.true(rows.length - patches >= 600, `${rows.length - patches} rows`);
  t.true(patches >= 150, `${patches} rows of patches`);
  t.true(
    rows.every((row) => row.want !== undefined),
    'every row says what upstream answered',
  );
});

// One server for all: rows are dry runs, and what stands before them is removed again.
test.serial('every row is answered as upstream answered it', async (t) => {
  t.timeout(120_000);
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const api = new RawApi(plane);
  t.teardown(() => api.close());
  for (const name of names) {
    const table = readTable(name);
    const answers = await answersOf(api, table);
    for (const [index, row] of table.rows.entries()) {
      const answer: unknown = JSON.parse(JSON.stringify(answers[index]));
      const what = `${name}: ${rowTitle(row)}`;
      if (row.gap) t.notDeepEqual(answer, row.want, `${what}: answers as upstream now, take the mark off`);
      else t.deepEqual(answer, row.want, what);
    }
  }
});
