import { Command } from 'commander';

const EXAMPLES = `
Examples:
  systemctl stop slipway-apiserver slipway-etcd
  slipway move-store --from /var/lib/slipway/store --to /var/lib/slipway/etcd/data

"slipway join" calls it on the server whose embedded store it moves. Every revision stays what it was.

Exit codes:
  0  everything is copied
  1  it failed; the message says why
  2  wrong usage`;

export function moveStoreCommand(): Command {
  return new Command('move-store')
    .description('copy an embedded store that nobody uses into an etcd that is stopped and empty')
    .requiredOption('--from <dir>', 'directory of the embedded store')
    .requiredOption('--to <dir>', 'data directory of etcd')
    .addHelpText('after', EXAMPLES)
    .action(async ({ from, to }: { from: string; to: string }) => {
      const [{ openHistory }, { fillDatabase }] = await Promise.all([
        import('../storage/embedded/history.ts'),
        import('../storage/etcd/fill-database.ts'),
      ]);
      const history = openHistory(from);
      try {
        const { keys } = await fillDatabase(to, history);
        process.stdout.write(`${JSON.stringify({ keys, revision: history.revision })}\n`);
      } finally {
        history.close();
      }
    });
}
