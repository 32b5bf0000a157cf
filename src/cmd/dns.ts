import { isIP } from 'node:net';
import { Command, InvalidArgumentError } from 'commander';
import { parseBindAddress } from '../base/health-server.ts';
import { addComponentFlags, runAsComponent, type BindAddress, type ComponentFlags } from './component.ts';
import { connect } from './connect.ts';

interface DnsFlags extends ComponentFlags {
  kubeconfig: string;
  listenAddress: BindAddress[];
  clusterDomain: string;
  resolvConf: string;
  nodeName?: string;
}

const EXAMPLES = `
Examples:
  slipway-dns --kubeconfig=/etc/kubernetes/dns.conf --listen-address=10.96.0.10
  slipway-dns --kubeconfig=dns.conf --listen-address=127.0.0.1:5353 --resolv-conf=/etc/resolv.conf`;

export function dnsCommand(): Command {
  const command = new Command('dns')
    .description('answer for the names of the cluster, and forward all others')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers')
    .requiredOption(
      '--listen-address <address[:port]>',
      'where to listen (repeatable); it is put on lo',
      listenAddresses,
    )
    .option('--cluster-domain <domain>', 'domain of the cluster', 'cluster.local')
    .option('--resolv-conf <file>', 'the servers that all other names are asked of', '/etc/resolv.conf')
    .option('--node-name <name>', 'name of this node')
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 9153).action((flags: DnsFlags) =>
    runAsComponent('slipway-dns', flags, async (context) => {
      const { runDns } = await import('../dns/dns.ts');
      const { signal, ...rest } = context;
      await runDns(
        {
          ...rest,
          client: await connect(flags.kubeconfig, 'slipway-dns', context),
          listen: flags.listenAddress,
          clusterDomain: flags.clusterDomain,
          resolvConf: flags.resolvConf,
          metrics: flags.metricsBindAddress,
        },
        signal,
      );
    }),
  );
}

const DNS_PORT = 53;

function listenAddresses(text: string, before: BindAddress[] = []): BindAddress[] {
  const listen = isIP(text) ? { address: text, port: DNS_PORT } : parseBindAddress(text);
  if (!listen || !isIP(listen.address)) {
    throw new InvalidArgumentError(
      'It is an address, with a port if not 53: 10.96.0.10, 127.0.0.1:5353, [::1]:5353.',
    );
  }
  return [...before, listen];
}
