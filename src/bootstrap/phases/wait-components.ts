import { once } from 'node:events';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { Host } from '../../provision/host.ts';
import { unitJournal } from '../../provision/units.ts';
import type { Cluster, Node } from '../cluster.ts';
import type { NodePhase } from '../phase.ts';

const HEALTHY_MS = 60_000;
/** One question: a process that is restarted meanwhile may have taken the connection, and never answer. */
const ANSWERED_MS = 5_000;

/** Where each component answers /healthz, on its server's loopback. */
export const HEALTH_PORTS = {
  'controller-manager': 10257,
  scheduler: 10259,
  kubelet: 10248,
  proxy: 10256,
  network: 10260,
  dns: 9153,
} as const;

/** Waits until these components of a server say that they are healthy: a unit that starts may still fail. */
export const waitComponents = (options: {
  id: string;
  title: string;
  nodes: (cluster: Cluster) => readonly Node[];
  names: ReadonlyArray<keyof typeof HEALTH_PORTS>;
}): NodePhase => ({
  id: options.id,
  title: options.title,
  kind: 'wait',
  nodes: options.nodes,
  run: async (node) => {
    await Promise.all(options.names.map((name) => untilHealthy(node, name)));
  },
});

/** Waits until a component of a server answers /healthz with 200. E_NOT_READY, with the end of its journal. */
export async function untilHealthy(node: Node, name: keyof typeof HEALTH_PORTS): Promise<void> {
  const { cluster } = node;
  const deadlineMs = cluster.clock.monotonicMs() + HEALTHY_MS;
  for (;;) {
    const answer = await probe(node, name).catch((error: unknown) => messageOf(error));
    if (/^HTTP\/1\.\d 200/.test(answer)) return;
    if (cluster.clock.monotonicMs() > deadlineMs) {
      const unit = `slipway-${name}`;
      const journal = await unitJournal(node.host, `${unit}.service`);
      const said = answer.split('\r\n\r\n').at(-1)?.trim() || answer.trim() || 'no answer';
      const message = `${node.name}: ${unit} is not healthy after ${HEALTHY_MS / 1000} s: ${said}; its journal ends with:\n${journal}`;
      throw new SlipwayError('E_NOT_READY', message, {
        hint: `look at "journalctl -u ${unit}" on ${node.name}, then run the same command again`,
      });
    }
    await cluster.clock.sleep(200, cluster.signal);
  }
}

/** Where the kubelet serves logs and exec: it opens it when its serving certificate has been signed. */
const KUBELET_PORT = 10_250;

async function probe(node: Node, name: keyof typeof HEALTH_PORTS): Promise<string> {
  if (name === 'kubelet') (await node.host.forward(node.address, KUBELET_PORT)).destroy();
  return await ask(node.host, HEALTH_PORTS[name], node.cluster.clock);
}

/**
 * The answer to GET /healthz, headers and all: whatever has come when the other side ends the connection or breaks it off.
 * Rejects where it does neither for some seconds.
 */
async function ask(host: Host, port: number, clock: Clock): Promise<string> {
  const channel = await host.forward('127.0.0.1', port);
  let text = '';
  channel
    .on('error', () => {})
    .setEncoding('utf8')
    .on('data', (chunk: string) => (text += chunk));
  const ended = Promise.race([once(channel, 'end'), once(channel, 'close')]);
  const timer = clock.after(ANSWERED_MS, () =>
    channel.destroy(new Error(`no answer in ${ANSWERED_MS / 1000} s`)),
  );
  channel.write('GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  try {
    await ended;
  } finally {
    timer.cancel();
    channel.destroy();
  }
  return text;
}
