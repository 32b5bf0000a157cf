/** Writes docs/commands.md from what the commands declare; test/cmd/commands.test.ts holds the two together. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commandsDocument } from '../src/cmd/commands-document.ts';
import { loadTree } from '../src/cmd/program.ts';

writeFileSync(
  fileURLToPath(new URL('../docs/commands.md', import.meta.url)),
  commandsDocument(await loadTree()),
);
