import { Command } from 'commander';

const EXAMPLES = `
Examples:
  slipway store-snapshot take --to /var/lib/slipway/snapshots --keep 8 --embedded /var/lib/slipway/store
  slipway store-snapshot check /var/lib/slipway/snapshots/20261124T124500Z-r1234.snapshot

slipway-snapshot.timer calls it on control planes; "slipway restore --snapshot" reads what it wrote.`;

interface TakeFlags {
  to: string;
  keep: number;
  embedded?: string;
  etcd?: string;
  cacert?: string;
  cert?: string;
  key?: string;
}

/** What a control plane's timer calls: all that lives in the store, as a file beside it. */
export function storeSnapshotCommand(): Command {
  const command = new Command('store-snapshot')
    .description('write a snapshot of the store, or look at one')
    .addHelpText('after', EXAMPLES);
  command
    .command('take')
    .description('write a snapshot, read it back, and remove the oldest ones')
    .requiredOption('--to <dir>', 'where snapshots are kept')
    .requiredOption('--keep <n>', 'how many are kept', Number)
    .option('--embedded <dir>', 'directory of an embedded store, which may be in use')
    .option('--etcd <url>', 'a member of etcd')
    .option('--cacert <file>', 'who signed its certificate')
    .option('--cert <file>', 'certificate of ours for it')
    .option('--key <file>', 'its key')
    .action(async (flags: TakeFlags) => {
      const snapshot = await take(flags);
      process.stdout.write(`${JSON.stringify(snapshot)}\n`);
    });
  command
    .command('check')
    .description('read a snapshot from beginning to end')
    .argument('<file>', 'the snapshot')
    .action(async (file: string) => {
      const { checkSnapshot } = await import('../storage/snapshot-directory.ts');
      process.stdout.write(`${JSON.stringify(await checkSnapshot(file))}\n`);
    });
  return command;
}

async function take(flags: TakeFlags): Promise<unknown> {
  const [{ takeSnapshot }, { systemClock }] = await Promise.all([
    import('../storage/snapshot-directory.ts'),
    import('../base/clock.ts'),
  ]);
  const options = { directory: flags.to, keep: flags.keep, nowMs: systemClock.now() };
  if (flags.embedded !== undefined) {
    const { readLiving } = await import('../storage/embedded/read-living.ts');
    return await readLiving(flags.embedded, (content) => takeSnapshot(content, options));
  }
  const [{ EtcdStorage }, { readPages }] = await Promise.all([
    import('../storage/etcd/etcd-storage.ts'),
    import('../storage/read-pages.ts'),
  ]);
  const { etcd = '', cacert = '', cert = '', key = '' } = flags;
  const storage = await EtcdStorage.open({
    endpoints: [etcd],
    clock: systemClock,
    ...(cacert === '' ? {} : { tls: { caFile: cacert, certFile: cert, keyFile: key } }),
  });
  try {
    return await takeSnapshot(await readPages(storage), options);
  } finally {
    await storage.close();
  }
}
