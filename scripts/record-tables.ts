/**
 * Writes what upstream's kube-apiserver answers into the rows of test/fixtures/tables: `node
 * scripts/record-tables.ts PATH-OF-kube-apiserver [name …]`. Needs Debian's etcd. Inputs stay as they are.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startUpstream } from '../bench/upstream.ts';
import { loadKubeconfig } from '../src/client/kubeconfig.ts';
import { answersOf, readTable, tableNames, TABLES_FOLDER } from '../test/apiserver/tables/table.ts';
import type { Table } from '../test/apiserver/tables/table.ts';
import { RawApi } from '../test/helpers/raw-api.ts';

/** A row a line: a change of one shows as one. */
function render({ rows, ...head }: Table): string {
  const lines = rows.map((row) => `  ${JSON.stringify(row)}`).join(',\n');
  return `${JSON.stringify(head, undefined, 1).replace(/\n\}$/, '')},\n "rows": [\n${lines}\n ]\n}\n`;
}

const [program, ...names] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: record-tables.ts PATH-OF-kube-apiserver [name …]');
const directory = await mkdtemp(join(tmpdir(), 'tables-'));
const server = await startUpstream(program, directory, undefined);
if (!server) throw new Error('etcd is not installed');
const { servers, credentials } = loadKubeconfig(server.kubeconfigPath);
const { ca = '', cert = '', key = '' } = credentials();
const api = new RawApi({ url: servers[0]!, ca: { certPem: ca }, admin: { certPem: cert, keyPem: key } });
try {
  for (const name of names.length > 0 ? names : tableNames()) {
    const table = readTable(name);
    const answers = await answersOf(api, table);
    table.rows = table.rows.map((row, index) => ({ ...row, want: answers[index]! }));
    await writeFile(join(TABLES_FOLDER, `${name}.json`), render(table));
    process.stdout.write(`${name}: ${table.rows.length} rows\n`);
  }
} finally {
  api.close();
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
