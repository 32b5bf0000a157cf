import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { processSignal } from '../base/lifecycle.ts';
import { createLogger, type LogLevel } from '../base/log.ts';
import { addComponentFlags, port, serveProcessMetrics, type BindAddress } from './component.ts';

interface ServerFlags {
  dataDir: string;
  port: number;
  logLevel: LogLevel;
  metricsBindAddress?: BindAddress;
}

const EXAMPLES = `
Examples:
  slipway server --data-dir ./cluster
  slipway server --data-dir ./cluster --port 0          any free port; the kubeconfig has it
  KUBECONFIG=./cluster/admin.kubeconfig kubectl create deployment web --image=nginx

There are no nodes, so pods stay Pending: it is the API, the controllers and the scheduler.

Exit codes:
  0  stopped by a signal
  1  it failed; the message says why
  2  wrong usage`;

export function serverCommand(): Command {
  const command = new Command('server')
    .description(
      'run a control plane in one process on loopback, with its own store and keys; no root needed',
    )
    .requiredOption('--data-dir <dir>', 'where store, keys and kubeconfig are kept; made if it is missing')
    .option('--port <port>', 'port of the API on 127.0.0.1; 0 takes a free one', port, 6443)
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command)
    .action(runServer)
    .hook('preAction', () => {
      // The log is for trouble here: what a person wants to know is on standard output.
      if (command.getOptionValueSource('logLevel') === 'default') command.setOptionValue('logLevel', 'warn');
    });
}

async function runServer(flags: ServerFlags): Promise<void> {
  const { runLocalControlPlane } = await import('./local-control-plane.ts');
  const metrics = flags.metricsBindAddress && (await serveProcessMetrics(flags.metricsBindAddress));
  const signal = processSignal();
  await runLocalControlPlane(
    {
      dataDir: resolve(flags.dataDir),
      port: flags.port,
      clock: systemClock,
      log: createLogger('slipway-server', flags.logLevel),
      onReady: ({ url, kubeconfigPath }) => {
        process.stdout.write(
          `ready: ${url}\nkubeconfig: ${kubeconfigPath}\n\n` +
            `  export KUBECONFIG=${kubeconfigPath}\n  kubectl get namespaces\n\nStop with Ctrl-C.\n`,
        );
      },
    },
    signal,
  );
  await metrics?.close();
  // What is left now are idle sockets at most.
  process.exit(0);
}
