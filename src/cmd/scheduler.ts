import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Command } from 'commander';
import {
  addComponentFlags,
  boolean,
  runAsComponent,
  serveProcessMetrics,
  type ComponentFlags,
} from './component.ts';
import { connect } from './connect.ts';

interface SchedulerFlags extends ComponentFlags {
  kubeconfig: string;
  leaderElect: boolean;
}

const EXAMPLES = `
Examples:
  slipway-scheduler --kubeconfig=/etc/kubernetes/scheduler.conf`;

export function schedulerCommand(): Command {
  const command = new Command('scheduler')
    .description('give pods their nodes; of several processes one leads')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers')
    .option('--leader-elect [true|false]', 'lead only while holding the lease', boolean, true)
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 10_259).action((flags: SchedulerFlags) =>
    runAsComponent('slipway-scheduler', flags, async (context) => {
      const { runScheduler } = await import('../scheduler/scheduler.ts');
      const { signal, ...rest } = context;
      const metrics = await serveProcessMetrics(flags.metricsBindAddress);
      try {
        await runScheduler(
          {
            ...rest,
            client: await connect(flags.kubeconfig, 'slipway-scheduler', context),
            identity: `${hostname()}_${randomUUID()}`,
            leaderElect: flags.leaderElect,
          },
          signal,
        );
      } finally {
        await metrics.close();
      }
    }),
  );
}
