/**
 * `npm test`: every test, the lab's included, then one line 'N passed, N failed, N skipped'. Arguments are
 * passed on to AVA (files, --match) and then only the matching group runs.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

const AVA = fileURLToPath(new URL('../node_modules/.bin/ava', import.meta.url));

/** Reads AVA's TAP: one short line a test, a failure with everything AVA says about it. */
async function runGroup(group: string, args: readonly string[], counts: Counts): Promise<void> {
  const child = spawn(AVA, ['--tap', ...args], {
    env: { ...process.env, TEST_GROUP: group },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 1)));
  const failedBefore = counts.failed;
  for await (const line of createInterface({ input: child.stdout })) countLine(line, counts);
  const code = await exited;
  if (code !== 0 && counts.failed === failedBefore) {
    process.stdout.write(`✗ the ${group} tests ended with exit code ${code}\n`);
    counts.failed += 1;
  }
}

function countLine(line: string, counts: Counts): void {
  const result = /^(not )?ok \d+ - (.*)$/.exec(line);
  if (!result) {
    if (/^\s|^#.*(exception|rejection|fail)/i.test(line)) process.stdout.write(`${line}\n`);
    return;
  }
  const title = result[2] ?? '';
  if (/# (SKIP|TODO)/.test(title)) {
    counts.skipped += 1;
    process.stdout.write(`- ${title}\n`);
  } else if (result[1]) {
    counts.failed += 1;
    process.stdout.write(`✗ ${title}\n`);
  } else {
    counts.passed += 1;
    process.stdout.write(`✓ ${title}\n`);
  }
}

const args = process.argv.slice(2);
const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
const onlyServers = args.some((argument) => /test\/(lab|e2e)/.test(argument));
if (!onlyServers) await runGroup('unit', args, counts);
if (onlyServers || args.length === 0) await runGroup('servers', args, counts);
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped\n`);
process.exitCode = counts.failed === 0 && counts.passed > 0 ? 0 : 1;
