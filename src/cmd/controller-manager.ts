import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { Command, InvalidArgumentError } from 'commander';
import {
  addComponentFlags,
  boolean,
  readPem,
  runAsComponent,
  serveProcessMetrics,
  type ComponentFlags,
} from './component.ts';
import { connect } from './connect.ts';

interface ControllerManagerFlags extends ComponentFlags {
  kubeconfig: string;
  clusterCidr?: string;
  nodeCidrMaskSize: number;
  clusterSigningCertFile?: string;
  clusterSigningKeyFile?: string;
  rootCaFile?: string;
  leaderElect: boolean;
}

const EXAMPLES = `
Examples:
  slipway-controller-manager --kubeconfig=/etc/kubernetes/controller-manager.conf --cluster-cidr=10.244.0.0/16 \\
    --cluster-signing-cert-file=/etc/kubernetes/pki/signer.crt \\
    --cluster-signing-key-file=/etc/kubernetes/pki/signer.key --root-ca-file=/etc/kubernetes/pki/ca.crt`;

export function controllerManagerCommand(): Command {
  const command = new Command('controller-manager')
    .description('run the controllers; of several processes one leads')
    .requiredOption('--kubeconfig <file>', 'how to reach the API servers')
    .option('--cluster-cidr <range>', 'range of pod addresses; without it nodes get no ranges')
    .option('--node-cidr-mask-size <bits>', 'size of a node’s range', maskSize, 24)
    .option('--cluster-signing-cert-file <file>', 'authority that signs approved certificate requests')
    .option('--cluster-signing-key-file <file>', 'its key')
    .option('--root-ca-file <file>', 'authority that pods trust, published as kube-root-ca.crt')
    .option(
      '--service-account-private-key-file <file>',
      'accepted for compatibility: the API server signs tokens',
    )
    .option('--leader-elect [true|false]', 'lead only while holding the lease', boolean, true)
    .addHelpText('after', EXAMPLES);
  return addComponentFlags(command, 10_257).action((flags: ControllerManagerFlags) =>
    runAsComponent('slipway-controller-manager', flags, async (context) => {
      const { runControllerManager } = await import('../controllers/manager.ts');
      const { signal, ...rest } = context;
      const metrics = await serveProcessMetrics(flags.metricsBindAddress);
      try {
        await runControllerManager(
          {
            ...rest,
            client: await connect(flags.kubeconfig, 'slipway-controller-manager', context),
            identity: `${hostname()}_${randomUUID()}`,
            leaderElect: flags.leaderElect,
            nodeCidrMaskSize: flags.nodeCidrMaskSize,
            ...(flags.clusterCidr ? { clusterCidr: flags.clusterCidr } : {}),
            ...(await signing(flags)),
            ...(flags.rootCaFile ? { rootCaPem: await readPem(flags.rootCaFile) } : {}),
          },
          signal,
        );
      } finally {
        await metrics.close();
      }
    }),
  );
}

async function signing({
  clusterSigningCertFile,
  clusterSigningKeyFile,
}: ControllerManagerFlags): Promise<{ signing?: { certPem: string; keyPem: string } }> {
  if (!clusterSigningCertFile || !clusterSigningKeyFile) return {};
  return {
    signing: { certPem: await readPem(clusterSigningCertFile), keyPem: await readPem(clusterSigningKeyFile) },
  };
}

function maskSize(text: string): number {
  const bits = Number(text);
  if (!/^\d+$/.test(text) || bits < 1 || bits > 128)
    throw new InvalidArgumentError('It is a number of bits, e.g. 24.');
  return bits;
}
