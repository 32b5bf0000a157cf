import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { NODES } from '../../src/api/gen/resources.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import { runNetwork } from '../../src/network/network.ts';
import { busyboxImage } from '../helpers/oci-image.ts';
import { waitFor } from '../helpers/wait-for.ts';
import { importImage, installPackages } from './install-packages.ts';
import { Lab } from './lab.ts';
import { labSkipReason } from './machine.ts';
import type { LabServer } from './server.ts';

const reason = labSkipReason();
const labTest = reason ? test.skip : test.serial;
if (reason) test.serial.skip(`pod network in the lab: ${reason}`, () => {});

function seedNode(client: MemoryClient, name: string, address: string, podCIDR: string): void {
  client.seed(NODES, {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name },
    spec: { podCIDR, podCIDRs: [podCIDR] },
    status: { addresses: [{ type: 'InternalIP', address }] },
  });
}

async function startNetwork(
  client: MemoryClient,
  server: LabServer,
  signal: AbortSignal,
): Promise<{ done: Promise<void> }> {
  const cniConfDir = `${await server.rootPath()}/etc/cni/net.d`;
  const common = { client, clock: systemClock, log: silentLogger, clusterCidr: '10.244.0.0/16' };
  return {
    done: runNetwork({ ...common, nodeName: server.name, cniConfDir, run: server.runCommand }, signal),
  };
}

/** Runs a pod with containerd and the CNI configuration in force; gives its address. */
async function startPod(server: LabServer, name: string): Promise<string> {
  const setup = `ip netns add ${name}
    export CNI_COMMAND=ADD CNI_CONTAINERID=${name} CNI_NETNS=/run/netns/${name} CNI_IFNAME=eth0 CNI_PATH=/usr/lib/cni`;
  // One plugin of the list at a time, as libcni does it: name and version come from the list.
  const config = JSON.parse(await server.exec('cat /etc/cni/net.d/10-slipway.conflist')) as {
    name: string;
    cniVersion: string;
    plugins: object[];
  };
  const first = { name: config.name, cniVersion: config.cniVersion, ...config.plugins[0] };
  const result = await server.exec(`${setup}; /usr/lib/cni/ptp`, { input: JSON.stringify(first) });
  const { ips } = JSON.parse(result) as { ips: Array<{ address: string }> };
  await server.exec(
    `ctr -n k8s.io run -d --with-ns network:/run/netns/${name} slipway.local/busybox:1 ${name} ` +
      `sh -c 'mkdir -p /www && echo ${name} > /www/name && exec httpd -f -p 80 -h /www' </dev/null`,
  );
  return ips[0]?.address.split('/')[0] ?? '';
}

labTest(
  'pods of two servers reach each other by their own addresses, and the world by the node',
  async (t) => {
    const lab = await Lab.create({ id: `net-${process.pid}`, servers: [{ name: 'n1' }, { name: 'n2' }] });
    const stop = new AbortController();
    const client = new MemoryClient(systemClock);
    try {
      const [n1, n2] = [lab.server('n1'), lab.server('n2')];
      const image = await busyboxImage();
      for (const server of lab.servers) {
        await installPackages(server);
        await importImage(server, image);
      }
      seedNode(client, 'n1', n1.address, '10.244.0.0/24');
      seedNode(client, 'n2', n2.address, '10.244.1.0/24');
      // A route of somebody else's, and a firewall that forwards nothing.
      await n1.exec('ip route add 10.99.0.0/16 via 10.77.0.1; iptables -P FORWARD DROP');
      const running = [
        await startNetwork(client, n1, stop.signal),
        await startNetwork(client, n2, stop.signal),
      ];
      for (const name of ['n1', 'n2']) {
        await waitFor(`${name} has a network`, async () => {
          const node = await client.get(NODES, { name });
          return node.status?.conditions?.some(
            ({ type, status }) => type === 'NetworkUnavailable' && status === 'False',
          );
        });
      }
      const a = await startPod(n1, 'a');
      const b = await startPod(n2, 'b');
      const c = await startPod(n1, 'c');
      t.regex(a, /^10\.244\.0\./);
      t.regex(b, /^10\.244\.1\./);
      const wget = (server: LabServer, pod: string, address: string) =>
        server.exec(
          `ctr -n k8s.io tasks exec --exec-id x$$ ${pod} timeout 5 wget -qO- http://${address}/name </dev/null`,
        );
      t.is((await wget(n1, 'a', b)).trim(), 'b', 'to another server');
      t.is((await wget(n2, 'b', a)).trim(), 'a', 'and back');
      t.is((await wget(n1, 'a', c)).trim(), 'c', 'to a neighbour on the same server');
      t.is(
        (await n1.exec(`timeout 5 bash -c 'exec 3<>/dev/tcp/${b}/80; echo open'`)).trim(),
        'open',
        'from the host',
      );

      // Inside the cluster a pod shows its own address, outside the node's.
      const echo = fileURLToPath(new URL('echo-server.ts', import.meta.url));
      const outside = lab.fabricSpawn([process.execPath, echo, 'outside', '9000'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      if (outside.stdout) await once(outside.stdout, 'data');
      const greeting = await n1.exec(
        `nsenter --net=/run/netns/a timeout 5 bash -c 'read -r line <>/dev/tcp/10.77.0.1/9000; echo $line'`,
      );
      t.regex(greeting, new RegExp(`^outside ::ffff:${n1.address}`));
      const open = `exec 3<>/dev/tcp/${b}/80; sleep 2`;
      const held = n1.exec(`nsenter --net=/run/netns/a timeout 5 bash -c '${open}'`);
      await waitFor('b sees the address of a', async () =>
        (await n2.exec('nsenter --net=/run/netns/b ss -tnH')).includes(a),
      );
      await held;
      outside.kill();

      // The routes follow the Nodes, and those of others stay.
      seedNode(client, 'n3', '10.77.0.99', '10.244.2.0/24');
      await waitFor('a route to n3', async () =>
        (await n1.exec('ip route')).includes('10.244.2.0/24 via 10.77.0.99'),
      );
      await client.delete(NODES, { name: 'n3' });
      await waitFor('no route to n3', async () => !(await n1.exec('ip route')).includes('10.244.2.0/24'));
      t.regex(await n1.exec('ip route'), /10\.99\.0\.0\/16 via 10\.77\.0\.1/);
      // A pod address that nobody has is refused at once.
      t.regex(
        (await n2.tryExec(`timeout 3 bash -c 'exec 3<>/dev/tcp/10.244.1.250/80'`)).stderr,
        /No route to host|unreachable/,
      );

      // Pods keep talking when the component is gone, and a new start changes nothing.
      stop.abort();
      await Promise.all(running.map(({ done }) => done));
      t.is((await wget(n1, 'a', b)).trim(), 'b');
      const before = await n1.exec('ip route; stat -c %Y.%i /etc/cni/net.d/10-slipway.conflist; iptables -S');
      const again = new AbortController();
      const second = await startNetwork(client, n1, again.signal);
      await waitFor('its table stands', async () =>
        (await n1.exec('nft list tables')).includes('slipway-network'),
      );
      again.abort();
      await second.done;
      t.is(await n1.exec('ip route; stat -c %Y.%i /etc/cni/net.d/10-slipway.conflist; iptables -S'), before);
    } finally {
      stop.abort();
      await lab.close();
    }
  },
);
