import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { waitFor } from '../helpers/wait-for.ts';
import { labSkipReason, prepareMachine } from './machine.ts';
import { ProxyNetwork } from './proxy-network.ts';

const reason = labSkipReason();
const labTest = reason ? test.skip : test.serial;
if (reason) test.serial.skip(`dns in namespaces: ${reason}`, () => {});

const DNS_PROCESS = `
  const at = (path) => import(new URL(path, ${JSON.stringify(import.meta.url)}).href);
  const { systemClock } = await at('../../src/base/clock.ts');
  const { silentLogger } = await at('../../src/base/log.ts');
  const { MemoryClient } = await at('../../src/client/memory-client.ts');
  const { runDns } = await at('../../src/dns/dns.ts');
  const { seedCluster } = await at('../dns/world.ts');
  const client = new MemoryClient(systemClock);
  seedCluster(client);
  const stop = new AbortController();
  process.on('SIGTERM', () => stop.abort());
  await runDns({
    client, clock: systemClock, log: silentLogger, upstreams: [],
    listen: [{ address: '10.96.0.10', port: 53 }],
    onListening: () => console.log('listening'),
  }, stop.signal);
  console.log('stopped');`;

labTest(
  'pods resolve by the cluster address on lo, with the search list of the C library and with busybox',
  async (t) => {
    await prepareMachine();
    const network = await ProxyNetwork.create('dns');
    const { host, client } = network;
    const folder = await mkdtemp(join(tmpdir(), 'slipway-dns-'));
    try {
      const resolvConf = join(folder, 'resolv.conf');
      await writeFile(
        resolvConf,
        'search default.svc.cluster.local svc.cluster.local cluster.local\nnameserver 10.96.0.10\noptions ndots:5\n',
      );
      const child = host.spawn([process.execPath, '--input-type=module', '-e', DNS_PROCESS]);
      if (child.stdout) await once(child.stdout, 'data');
      t.regex(await host.exec('ip address show dev lo'), /inet 10\.96\.0\.10\/32/);
      const inPod = (command: string) =>
        client.tryExec(`unshare --mount sh -c 'mount --bind ${resolvConf} /etc/resolv.conf; ${command}'`);
      await waitFor('the name resolves', async () => (await inPod('getent ahostsv4 web')).code === 0);
      // The shortest name, a name with its namespace, and the whole one.
      for (const name of ['web', 'web.default', 'web.default.svc', 'web.default.svc.cluster.local']) {
        t.regex((await inPod(`getent ahostsv4 ${name}`)).stdout, /^10\.96\.0\.20 /, name);
      }
      t.regex((await inPod('getent ahostsv4 db')).stdout, /10\.244\.0\.5 /);
      t.regex((await inPod('getent hosts 10.96.0.20')).stdout, /web\.default\.svc\.cluster\.local/);
      t.not((await inPod('getent ahostsv4 nobody')).code, 0);
      const busybox = await inPod('busybox nslookup web.default.svc.cluster.local');
      t.is(busybox.code, 0, busybox.stderr);
      t.regex(busybox.stdout, /Address( 1)?: +10\.96\.0\.20/);
      // The node itself asks the same address.
      t.is((await host.tryExec('busybox nslookup web.default.svc.cluster.local 10.96.0.10')).code, 0);

      // A clean stop, and the address stays: a restart finds it there.
      const exited = once(child, 'exit');
      child.kill('SIGTERM');
      t.is((await exited)[0], 0);
      t.regex(await host.exec('ip address show dev lo'), /inet 10\.96\.0\.10\/32/);
      const again = host.spawn([process.execPath, '--input-type=module', '-e', DNS_PROCESS]);
      if (again.stdout) await once(again.stdout, 'data');
      await waitFor('it answers again', async () => (await inPod('getent ahostsv4 web')).code === 0);
    } finally {
      await network.close();
      await rm(folder, { recursive: true, force: true });
    }
  },
);
