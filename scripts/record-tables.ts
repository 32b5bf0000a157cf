/**
 * Writes what upstream's kube-apiserver answers into the rows of test/fixtures/tables: `node
 * scripts/record-tables.ts PATH-OF-kube-apiserver [name …]`. Needs Debian's etcd. Inputs stay as they are.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { answersOf, readTable, tableNames, TABLES_FOLDER } from '../test/apiserver/tables/table.ts';
import type { Table } from '../test/apiserver/tables/table.ts';
import { withUpstream } from './upstream-api.ts';

/** A row a line: a change of one shows as one. */
function render({ rows, ...head }: Table): string {
  const lines = rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n');
  return `${JSON.stringify(head, undefined, 1).replace(/\n\}$/, '')},\n "rows": [\n${lines}\n ]\n}\n`;
}

const [program, ...names] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: record-tables.ts PATH-OF-kube-apiserver [name …]');
await withUpstream(program, async (api) => {
  for (const name of names.length > 0 ? names : tableNames()) {
    const table = readTable(name);
    const answers = await answersOf(api, table);
    table.rows = table.rows.map((row, index) => ({ ...row, want: answers[index]! }));
    await writeFile(join(TABLES_FOLDER, `${name}.json`), render(table));
    process.stdout.write(`${name}: ${table.rows.length} rows\n`);
  }
});
