import { hostname } from 'node:os';
import { Command } from 'commander';
import { addComponentFlags, runAsComponent, type ComponentFlags } from './component.ts';
import { connect } from './connect.ts';

interface NetworkFlags extends ComponentFlags {
  kubeconfig: string;
  hostnameOverride: string;
  clusterCidr: string;
  cniConfDir: string;
}

const EXAMPLES = `
Examples:
  slipway-network --kubeconfig=/etc/kubernetes/network.conf --cluster-cidr=10.244.0.0/16`;

export function networkCommand(): Command {
  const command = new Command('network')
    .description('connect the pods of this node to those of all others')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers')
    .option('--hostname-override <name>', 'name of this node', hostname().toLowerCase())
    .option('--cluster-cidr <range>', 'range of pod addresses', '10.244.0.0/16')
    .option('--cni-conf-dir <dir>', 'where the container runtime looks for its network', '/etc/cni/net.d')
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 10_260).action((flags: NetworkFlags) =>
    runAsComponent('slipway-network', flags, async (context) => {
      const { runNetwork } = await import('../network/network.ts');
      const { signal, ...rest } = context;
      await runNetwork(
        {
          ...rest,
          client: await connect(flags.kubeconfig, 'slipway-network', context),
          nodeName: flags.hostnameOverride,
          clusterCidr: flags.clusterCidr,
          cniConfDir: flags.cniConfDir,
          metrics: flags.metricsBindAddress,
        },
        signal,
      );
    }),
  );
}
