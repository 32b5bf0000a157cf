import { codeOf } from './base/errors.ts';
import { runProgram } from './cmd/program.ts';

// A bundle in CommonJS knows no top-level await.
async function main(): Promise<void> {
  // `slipway … | head`: whoever reads has had enough, which is no error of ours.
  process.stdout.on('error', (error) => {
    if (codeOf(error) !== 'EPIPE') throw error;
    process.exit();
  });
  const code = await runProgram(process.argv0, process.argv.slice(2));
  // Set, not exited with: output that is still on its way is written out before the process ends.
  process.exitCode ??= code;
}

void main();
