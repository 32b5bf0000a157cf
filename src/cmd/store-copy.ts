import { Command } from 'commander';

/** What backups and repairs call on a server: the store's content comes out of it, or goes into it. */
export function storeCopyCommand(): Command {
  const command = new Command('store-copy').description(
    'copy a store to standard output, or from standard input',
  );
  command
    .command('out')
    .description('print all that lives in a store, as compressed lines in base64')
    .option('--embedded <dir>', 'directory of an embedded store, which may be in use')
    .option('--etcd <file>', 'database of an etcd that is stopped')
    .action(async ({ embedded, etcd }: { embedded?: string; etcd?: string }) => {
      const { encodeRecords } = await import('../storage/record-stream.ts');
      if (embedded !== undefined) {
        const { readLiving } = await import('../storage/embedded/read-living.ts');
        await readLiving(embedded, ({ revision, records }) => print(encodeRecords(revision, records)));
        return;
      }
      const [{ readFile }, { readDatabase }] = await Promise.all([
        import('node:fs/promises'),
        import('../storage/etcd/read-database.ts'),
      ]);
      const { revision, records } = readDatabase(await readFile(etcd ?? ''));
      await print(encodeRecords(revision, records));
    });
  command
    .command('revision')
    .description('print how far the database of an etcd goes that is stopped')
    .requiredOption('--etcd <file>', 'the database')
    .action(async ({ etcd }: { etcd: string }) => {
      const [{ readFile }, { readDatabase }] = await Promise.all([
        import('node:fs/promises'),
        import('../storage/etcd/read-database.ts'),
      ]);
      process.stdout.write(`${readDatabase(await readFile(etcd)).revision}\n`);
    });
  command
    .command('in')
    .description('make an embedded store of compressed lines')
    .requiredOption('--to <dir>', 'where; it must hold no store')
    .requiredOption('--bump <n>', 'how far the revision goes on, so that no client sees it go back', Number)
    .option('--base64', 'the lines come in base64')
    .action(async ({ to, bump, base64 }: { to: string; bump: number; base64?: boolean }) => {
      const [{ decodeRecords }, { seedStore }] = await Promise.all([
        import('../storage/record-stream.ts'),
        import('../storage/embedded/seed-store.ts'),
      ]);
      const input = process.stdin as AsyncIterable<Uint8Array>;
      const { records, revision } = await decodeRecords(base64 ? fromBase64(input) : input);
      const result = await seedStore(to, records, revision + bump);
      process.stdout.write(`${JSON.stringify(result)}\n`);
    });
  return command;
}

/** Lines, because what runs by SSH is read as text. */
async function print(bytes: AsyncIterable<Uint8Array>): Promise<void> {
  let rest: Uint8Array = Buffer.alloc(0);
  for await (const chunk of bytes) {
    const all = Buffer.concat([rest, chunk]);
    const whole = all.length - (all.length % 57);
    rest = all.subarray(whole);
    if (whole > 0) await write(all.subarray(0, whole).toString('base64'));
  }
  await write(`${Buffer.from(rest).toString('base64')}\n`);
}

const write = (text: string): Promise<void> =>
  new Promise((resolve, reject) => {
    process.stdout.write(text, (error) => (error ? reject(error) : resolve()));
  });

async function* fromBase64(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let rest = '';
  for await (const chunk of input) {
    const text = rest + Buffer.from(chunk).toString('latin1').replaceAll(/\s/g, '');
    const whole = text.length - (text.length % 4);
    rest = text.slice(whole);
    yield Buffer.from(text.slice(0, whole), 'base64');
  }
}
