import { hostname } from 'node:os';
import { Command } from 'commander';
import {
  addComponentFlags,
  bindAddressOption,
  runAsComponent,
  type BindAddress,
  type ComponentFlags,
} from './component.ts';
import { connect } from './connect.ts';

interface ProxyFlags extends ComponentFlags {
  kubeconfig: string;
  hostnameOverride: string;
  clusterCidr: string;
  healthzBindAddress: BindAddress;
}

const EXAMPLES = `
Examples:
  slipway-proxy --kubeconfig=/etc/kubernetes/proxy.conf --cluster-cidr=10.244.0.0/16`;

export function proxyCommand(): Command {
  const command = new Command('proxy')
    .description('turn Services into nftables rules on this node')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers')
    .option('--hostname-override <name>', 'name of this node', hostname().toLowerCase())
    .option('--cluster-cidr <range>', 'range of pod addresses', '10.244.0.0/16')
    .addOption(
      bindAddressOption('--healthz-bind-address', 'where /healthz answers load balancers', '0.0.0.0', 10_256),
    )
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 10_249).action((flags: ProxyFlags) =>
    runAsComponent('slipway-proxy', flags, async (context) => {
      const { runProxy } = await import('../proxy/proxy.ts');
      const { signal, ...rest } = context;
      await runProxy(
        {
          ...rest,
          client: await connect(flags.kubeconfig, 'slipway-proxy', context),
          nodeName: flags.hostnameOverride,
          clusterCidr: flags.clusterCidr,
          health: flags.healthzBindAddress,
          metrics: flags.metricsBindAddress,
        },
        signal,
      );
    }),
  );
}
