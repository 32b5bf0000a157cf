import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const ROOT = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(fileURLToPath(new URL(path, ROOT)), 'utf8');

test('every test that docs/faults.md names is there, and every test of faults is named', (t) => {
  const rows = read('docs/faults.md')
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| Fault'));
  t.true(rows.length >= 13, `${rows.length} faults`);
  const named = new Map<string, Set<string>>();
  for (const row of rows) {
    let file = '';
    const cell = row.split(' | ').at(-1) ?? '';
    for (const [, path, title] of cell.matchAll(/`(test\/[^`]+\.test\.ts)`|“([^”]+)”/g)) {
      if (path !== undefined) {
        file = path;
        if (!named.has(file)) named.set(file, new Set());
        t.true(existsSync(fileURLToPath(new URL(file, ROOT))), `${file} is missing`);
      } else if (title !== undefined) {
        named.get(file)?.add(title);
        t.true(read(file).includes(`'${title}'`), `${file} has no test “${title}”`);
      }
    }
    t.not(file, '', `no test shows: ${row.slice(0, 60)}`);
  }
  for (const file of [
    'test/lab/faults.test.ts',
    'test/lab/faults-install.test.ts',
    'test/lab/faults-etcd.test.ts',
  ]) {
    const titles = [...read(file).matchAll(/Test\(\s*'([^']+)'/g)].map(([, title = '']) => title);
    t.true(titles.length > 2, file);
    for (const title of titles)
      t.true(named.get(file)?.has(title), `${file}: “${title}” is not in docs/faults.md`);
  }
});
