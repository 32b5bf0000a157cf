import { NODES } from '../../api/gen/resources.ts';
import type { Node, NodeAddress, NodeStatus, Taint } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import type { PodEvents } from '../events.ts';
import { Wake } from '../wake.ts';
import { newNode, nodeStatus, nodeStatusChanged, type NodeFacts } from './node-status.ts';

export interface NodeRegistrarOptions {
  client: Client;
  clock: Clock;
  log: Logger;
  nodeName: string;
  labels: Record<string, string>;
  taints: Taint[];
  events: PodEvents;
  /** Looks at the host and the runtime now. */
  facts: () => Promise<NodeFacts>;
}

/** Upstream's nodeStatusUpdateFrequency and nodeStatusReportFrequency. */
const CHECK_MS = 10_000;
const REPORT_MS = 300_000;
/** Until the node is Ready it is looked at this often: a new node shall serve soon. */
const HURRY_MS = 500;

/** Registers the node and keeps its status true. Mirrors pkg/kubelet/kubelet_node_status.go. */
export class NodeRegistrar {
  readonly #options: NodeRegistrarOptions;
  #node: Node | undefined;
  #reportedMs = -Infinity;
  readonly #wake: Wake;
  #first = true;

  constructor(options: NodeRegistrarOptions) {
    this.#options = options;
    this.#wake = new Wake(options.clock);
  }

  /** The node as the API has it, as far as known. */
  get node(): Node | undefined {
    return this.#node;
  }

  /** Something changed: look now rather than in ten seconds. */
  poke(): void {
    this.#wake.poke();
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let ready = false;
      try {
        ready = await this.sync();
      } catch (error) {
        if (isAbort(error)) break;
        this.#options.log.warn({ error: messageOf(error) }, 'node status not reported, will retry');
      }
      await this.#wake.wait(ready ? CHECK_MS : HURRY_MS, signal);
    }
  }

  /** @returns whether the node is Ready. */
  async sync(): Promise<boolean> {
    const { clock } = this.#options;
    const facts = await this.#options.facts();
    const node = this.#node ?? (await this.#register(facts));
    const status = nodeStatus(facts, node.status ?? {}, clock.now());
    const due = clock.monotonicMs() - this.#reportedMs >= REPORT_MS;
    if (due || nodeStatusChanged(node.status ?? {}, status)) await this.#report(node, status);
    return facts.problems.length === 0;
  }

  async #register(facts: NodeFacts): Promise<Node> {
    const { client, clock, labels, log, nodeName, taints } = this.#options;
    const wanted = newNode(nodeName, labels, taints);
    try {
      const status = nodeStatus(facts, {}, clock.now());
      const created = await client.create(NODES, { ...wanted, status });
      log.info({ node: nodeName }, 'node registered');
      this.#node = created;
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
      this.#node = await this.#adopt(wanted);
    }
    return this.#node;
  }

  /** The node is known: its own labels are put right, those of others are left. */
  async #adopt(wanted: Node): Promise<Node> {
    const { client, nodeName } = this.#options;
    const known = await client.get(NODES, { name: nodeName });
    const labels = wanted.metadata?.labels ?? {};
    const wrong = Object.entries(labels).filter(([key, value]) => known.metadata?.labels?.[key] !== value);
    if (wrong.length === 0) return known;
    const patch = { metadata: { labels: Object.fromEntries(wrong) } };
    return client.patch(NODES, { name: nodeName }, patch, { type: 'merge' });
  }

  async #report(node: Node, status: NodeStatus): Promise<void> {
    const { client, clock, nodeName } = this.#options;
    try {
      const patch = { status: patchOf(node.status ?? {}, status) };
      const updated = await client.patch(NODES, { name: nodeName }, patch, {
        type: 'strategic',
        subresource: 'status',
      });
      this.#tell(node.status ?? {}, status);
      this.#node = updated;
      this.#reportedMs = clock.monotonicMs();
    } catch (error) {
      // Someone removed the node: it is registered again, as upstream does.
      if (isNotFound(error)) this.#node = undefined;
      throw error;
    }
  }

  #tell(before: NodeStatus, after: NodeStatus): void {
    const { events, nodeName } = this.#options;
    if (this.#first) events.nodeEvent('Normal', 'Starting', 'Starting kubelet.');
    const bootId = after.nodeInfo?.bootID ?? '';
    if (this.#first && before.nodeInfo?.bootID && before.nodeInfo.bootID !== bootId) {
      events.nodeEvent('Warning', 'Rebooted', `Node ${nodeName} has been rebooted, boot id: ${bootId}`);
    }
    this.#first = false;
    const names = { MemoryPressure: 'Memory', DiskPressure: 'Disk', PIDPressure: 'PID', Ready: 'Ready' };
    for (const type of Object.keys(names)) {
      const one = after.conditions?.find((condition) => condition.type === type);
      const old = before.conditions?.find((condition) => condition.type === type);
      if (!one || one.status === old?.status) continue;
      if (type === 'Ready') {
        const reason = one.status === 'True' ? 'NodeReady' : 'NodeNotReady';
        events.nodeEvent('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
      } else {
        const reason = one.reason ?? '';
        events.nodeEvent('Normal', reason, `Node ${nodeName} status is now: ${reason}`);
      }
    }
  }
}

/** Conditions merge by type and keep those of others; addresses are replaced, for a type may stand twice. */
function patchOf(before: NodeStatus, after: NodeStatus): object {
  const key = (list: NodeAddress[] | undefined) => JSON.stringify(list ?? []);
  const { addresses, ...rest } = after;
  if (key(before.addresses) === key(addresses)) return rest;
  return { ...rest, addresses: [...(addresses ?? []), { $patch: 'replace' }] };
}
