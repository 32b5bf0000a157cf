/**
 * Writes what upstream's kube-apiserver makes of maximal objects into test/fixtures/maximal: `node
 * scripts/record-maximal.ts PATH-OF-kube-apiserver [name …]`. Needs Debian's etcd.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  fixtureName,
  MAXIMAL_FOLDER,
  outcomesOf,
  prepare,
  servedKinds,
} from '../test/apiserver/maximal/answers.ts';
import { withUpstream } from './upstream-api.ts';

const [program, ...names] = process.argv.slice(2);
if (program === undefined) throw new Error('usage: record-maximal.ts PATH-OF-kube-apiserver [name …]');
await withUpstream(program, async (api) => {
  await mkdir(MAXIMAL_FOLDER, { recursive: true });
  await prepare(api);
  for (const served of servedKinds()) {
    const name = fixtureName(served);
    if (names.length > 0 && !names.includes(name)) continue;
    const outcomes = await outcomesOf(api, served);
    for (const { create, status, ephemeral } of outcomes) {
      const refused = [create, status, ephemeral].find((outcome) => outcome && outcome.code >= 300);
      if (refused) throw new Error(`${name}: an object that is to be valid is refused: ${refused.message}`);
    }
    await writeFile(join(MAXIMAL_FOLDER, `${name}.json`), `${JSON.stringify(outcomes, undefined, 1)}\n`);
    process.stdout.write(`${name}: ${outcomes.length}\n`);
  }
});
