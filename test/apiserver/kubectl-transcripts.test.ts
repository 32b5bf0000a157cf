import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { startControlPlane, type TestControlPlane } from '../helpers/control-plane.ts';
import { kubectlSkipReason } from '../helpers/kubectl.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { enterNamespace, parseTranscript, renderTranscript, runCommand } from '../helpers/transcripts.ts';

// Recorded from upstream's kube-apiserver 1.36 by scripts/record-transcripts.ts: the same commands must print the
// same here. What no two servers share is replaced on both sides; descriptions of `kubectl explain` are left out,
// since ours are not upstream's.
const FOLDER = new URL('../fixtures/kubectl/', import.meta.url);

/** kubectl's own words change from one minor version to the next: what was recorded holds for one. */
const RECORDED_WITH = /"gitVersion": "v1\.32\./;

function otherVersion(): string | undefined {
  const version = spawnSync('kubectl', ['version', '--client', '-o', 'json']).stdout.toString();
  return RECORDED_WITH.test(version) ? undefined : 'the transcripts were recorded with kubectl 1.32';
}

let plane: TestControlPlane;
const skipReason = kubectlSkipReason() ?? otherVersion();
const withKubectl = skipReason ? test.skip : test.serial;
if (skipReason) test(`kubectl is needed: ${skipReason}`, (t) => t.pass());

test.before(async () => {
  plane = await startControlPlane();
});
test.after.always(() => plane.close());

for (const file of readdirSync(FOLDER).filter((name) => name.endsWith('.txt'))) {
  const namespace = file.replace(/\.txt$/, '');
  withKubectl(`kubectl prints what it prints with upstream: ${namespace}`, async (t) => {
    t.timeout(180_000);
    const root = await temporaryDirectory(t);
    const shell = {
      directory: await mkdtemp(join(root, 'files-')),
      kubeconfig: await plane.kubeconfig(),
      namespace,
    };
    await enterNamespace(shell);
    const recorded = parseTranscript(await readFile(new URL(file, FOLDER), 'utf8'));
    const printed = [];
    for (const { command } of recorded) printed.push({ command, output: await runCommand(shell, command) });
    t.is(renderTranscript(printed), renderTranscript(recorded));
  });
}
