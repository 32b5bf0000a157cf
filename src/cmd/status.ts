import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import type { ActionOptions } from '../bootstrap/actions/run-action.ts';
import type { ClusterStatus } from '../bootstrap/status/status.ts';
import { addOperatorOptions, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface StatusFlags extends OperatorFlags {
  watch?: boolean;
}

/** A dead server must not keep the others waiting. */
const CONNECT_MS = 4000;
const WATCH_MS = 2000;

const EXAMPLES = `
Examples:
  slipway status --inventory cluster.yaml
  slipway status --inventory cluster.yaml --watch
  slipway status --inventory cluster.yaml --output json

Works over SSH alone: it tells what is wrong while the API is down or servers are dead.

Exit codes:
  0  all is well
  1  something is wrong; each problem is listed
  2  it could not be found out, for instance because the inventory is wrong
  130  interrupted

JSON (with --watch one line for each look):
  {"type":"status","cluster":"…","nowMs":0,"servers":[{"name":"cp1","reached":true,"release":"…","units":[…],
   "certificates":[…],"clockOffsetMs":1,"disks":[…],"snapshots":{"count":8,"newest":{…},"failed":false}}],"api":{"servers":[…],"nodes":[…]},"store":{"kind":"etcd",
   "members":[…]},"nearestExpiry":{"where":"…","notAfterMs":0},"drift":{"changes":[{"node":"w1","change":"…","reason":"…"}],
   "strangers":[{"node":"w1","path":"…"}]},"problems":[]}
Drift is what "slipway up" would change on servers that run this release, and what others have put beside our units.`;

export function statusCommand(): Command {
  const command = new Command('status').description('tell on one screen how the cluster is');
  return addOperatorOptions(command)
    .option('-w, --watch', 'look again every two seconds, until interrupted')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: StatusFlags) => {
      const [{ StatusWatch }, { renderStatus }] = await Promise.all([
        import('../bootstrap/status/status.ts'),
        import('../bootstrap/status/render.ts'),
      ]);
      const tell = (status: ClusterStatus): void => {
        if (flags.output === 'json') printLine(JSON.stringify({ type: 'status', ...status }));
        else
          printLine(
            (flags.watch && process.stdout.isTTY ? '\u001b[H\u001b[2J' : '') +
              renderStatus(status).join('\n'),
          );
      };
      const look = async (options: ActionOptions): Promise<ClusterStatus> => {
        const watch = new StatusWatch(options);
        try {
          for (;;) {
            const status = await watch.look();
            if (!flags.watch) return status;
            tell(status);
            await systemClock.sleep(WATCH_MS, options.signal);
          }
        } finally {
          await watch.close();
        }
      };
      await runOperation({ ...flags, connectTimeoutMs: CONNECT_MS }, look, (status) => {
        tell(status);
        if (status.problems.length > 0) process.exitCode = 1;
      });
    });
}
