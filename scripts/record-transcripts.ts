/**
 * Writes what upstream's kube-apiserver answers into test/fixtures/kubectl: `node scripts/record-transcripts.ts
 * PATH-OF-kube-apiserver [name …]`. Needs Debian's etcd and the kubectl that the tests use. The commands in the
 * files stay; their output is replaced.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startUpstream } from '../bench/upstream.ts';
import {
  enterNamespace,
  parseTranscript,
  renderTranscript,
  runCommand,
} from '../test/helpers/transcripts.ts';

const FOLDER = fileURLToPath(new URL('../test/fixtures/kubectl', import.meta.url));

const [program, ...names] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: record-transcripts.ts PATH-OF-kube-apiserver [name …]');
const directory = await mkdtemp(join(tmpdir(), 'transcripts-'));
const server = await startUpstream(program, join(directory, 'server'), undefined);
if (!server) throw new Error('etcd is not installed');
try {
  for (const file of (await readdir(FOLDER)).filter((name) => name.endsWith('.txt'))) {
    const namespace = file.replace(/\.txt$/, '');
    if (names.length > 0 && !names.includes(namespace)) continue;
    const steps = parseTranscript(await readFile(join(FOLDER, file), 'utf8'));
    const kubeconfig = join(directory, `${namespace}.kubeconfig`);
    await writeFile(kubeconfig, await readFile(server.kubeconfigPath));
    const shell = { directory: await mkdtemp(join(directory, 'files-')), kubeconfig, namespace };
    await enterNamespace(shell);
    for (const step of steps) step.output = await runCommand(shell, step.command);
    await writeFile(join(FOLDER, file), renderTranscript(steps));
    process.stdout.write(`${namespace}: ${steps.length} commands\n`);
  }
} finally {
  await server.stop();
  await rm(directory, { recursive: true, force: true });
}
