import { runProgram } from './cmd/program.ts';

// A bundle in CommonJS knows no top-level await.
async function main(): Promise<void> {
  const code = await runProgram(process.argv0, process.argv.slice(2));
  // Set, not exited with: output that is still on its way is written out before the process ends.
  process.exitCode ??= code;
}

void main();
