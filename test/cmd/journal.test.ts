import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const INVENTORY = fileURLToPath(new URL('../../inventories/example.yaml', import.meta.url));

test('slipway journal lists steps with what became of them, and how each is undone', async (t) => {
  const directory = await temporaryDirectory(t);
  const state = join(directory, 'state');
  await mkdir(state);
  const line = (id: string, node: string | null, change: string, now: string): string =>
    `${JSON.stringify({ time: '2026-01-02T03:04:05.000000Z', id, state: now, phase: 'x', node, change })}\n`;
  const lines = [
    line('7.1', null, 'issue pki/ca (new)', 'begun') + line('7.1', null, 'issue pki/ca (new)', 'done'),
    line('7.2', 'w1', 'set net.ipv4.ip_forward to 1', 'begun'),
    line('7.3', 'w2', 'start slipway-dns.service', 'begun') +
      line('7.3', 'w2', 'start slipway-dns.service', 'done'),
  ];
  await writeFile(join(state, 'journal.jsonl'), lines.join(''));
  const journal = async (...flags: string[]): Promise<string> => {
    const args = [MAIN, 'journal', '--inventory', INVENTORY, '--state-dir', state, ...flags];
    return (await promisify(execFile)(process.execPath, args)).stdout;
  };
  t.is(
    await journal(),
    `2026-01-02T03:04:05Z 7.1 the cluster: issue pki/ca (new)
2026-01-02T03:04:05Z 7.2 w1: set net.ipv4.ip_forward to 1 [cut off]
    undo: slipway undo 7.2
2026-01-02T03:04:05Z 7.3 w2: start slipway-dns.service
    undo: slipway undo 7.3
`,
  );
  const [last, ...others] = JSON.parse(await journal('--node', 'w2', '--output', 'json')) as unknown[];
  t.like(last, { id: '7.3', state: 'done', undo: 'slipway undo 7.3' });
  t.deepEqual(others, []);
  t.regex(await journal('--last', '1'), /^2026-01-02T03:04:05Z 7\.3 .*\n.*\n$/);
});
