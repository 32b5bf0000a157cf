import { LEASES, NODES, PODS } from '../../api/gen/resources.ts';
import type { Node, Pod } from '../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { isNotFound } from '../../client/errors.ts';
import type { EventRecorder } from '../../client/events.ts';
import type { Informer } from '../../client/informer.ts';
import { keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerContext, ControllerDefinition, Loop } from '../shared/controller.ts';
import type { KeyQueue } from '../shared/key-queue.ts';
import { metaOf, nameOf } from '../shared/meta.ts';
import { isPodReady } from '../shared/pod-status.ts';
import { EvictionGate, everythingIsDown } from './eviction-gate.ts';
import { silentConditions, statusHeartbeat } from './health.ts';
import { NOT_READY, readyStatus, troubleOf, UNREACHABLE, wantedTaints } from './taints.ts';

export interface NodeLifecycleOptions {
  /** A kubelet that is silent for so long is taken for lost. Default 40 s. */
  gracePeriodMs?: number;
  /** The same for a node that was never heard of. Default 60 s. */
  startupGracePeriodMs?: number;
}

const SETTLE_MS = 5_000;
const LEASE_NAMESPACE = 'kube-node-lease';

/**
 * Watches heartbeats and marks nodes that stay silent: conditions, taints, pods not ready. Time is measured
 * here, from when a heartbeat was seen to change: the clocks of nodes do not matter.
 */
export function nodeLifecycleController(options: NodeLifecycleOptions = {}): ControllerDefinition {
  return {
    name: 'node-lifecycle',
    inputs: ['nodes', 'leases', 'pods'],
    outputs: ['nodes', 'nodes/status', 'pods/status', 'events'],
    start: (context) => new NodeLifecycle(context, options).loops,
  };
}

interface Seen {
  heartbeat: string;
  lease: string;
  atMs: number;
  graceMs: number;
}

class NodeLifecycle {
  readonly loops: Loop[];
  readonly #context: ControllerContext;
  readonly #graceMs: number;
  readonly #startupMs: number;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #queue: KeyQueue;
  readonly #gate: EvictionGate;
  readonly #recorder: EventRecorder;
  readonly #seen = new Map<string, Seen>();
  #allDown = false;

  constructor(context: ControllerContext, options: NodeLifecycleOptions) {
    this.#context = context;
    this.#graceMs = options.gracePeriodMs ?? 40_000;
    this.#startupMs = options.startupGracePeriodMs ?? 60_000;
    this.#gate = new EvictionGate(context.clock);
    this.#recorder = recorderFor(context, 'node-controller');
    this.#nodes = context.informers.for(NODES);
    this.#pods = context.informers.for(PODS, { indexes: { node: (pod) => [pod.spec?.nodeName ?? ''] } });
    const { queue, loop } = keyedLoop(context, {
      name: 'node-lifecycle',
      workers: 8,
      sync: (name) => this.#sync(name),
    });
    this.#queue = queue;
    this.loops = [loop];
    const heard = (node: Node): void => this.#heard(nameOf(node), { heartbeat: statusHeartbeat(node) });
    this.#nodes.subscribe({
      added: heard,
      updated: (_, node) => heard(node),
      deleted: (node) => this.#seen.delete(nameOf(node)),
    });
    const renewed = (lease: { metadata?: { name?: string }; spec?: { renewTime?: string } }): void =>
      this.#heard(lease.metadata?.name ?? '', { lease: lease.spec?.renewTime ?? '' });
    context.informers
      .for(LEASES, { namespace: LEASE_NAMESPACE })
      .subscribe({ added: renewed, updated: (_, lease) => renewed(lease) });
  }

  /** Notes a heartbeat; only a change counts as a sign of life. */
  #heard(name: string, sign: { heartbeat?: string; lease?: string }): void {
    const atMs = this.#context.clock.monotonicMs();
    const old = this.#seen.get(name);
    const node = this.#nodes.get(name);
    if (!old) {
      const never = node === undefined || !node.status?.conditions?.length;
      const graceMs = never ? this.#startupMs : this.#graceMs;
      this.#seen.set(name, { heartbeat: '', lease: '', ...sign, atMs, graceMs });
      this.#queue.addAfter(name, graceMs);
    } else if (
      (sign.heartbeat ?? old.heartbeat) !== old.heartbeat ||
      (sign.lease ?? old.lease) !== old.lease
    ) {
      this.#seen.set(name, { ...old, ...sign, atMs, graceMs: this.#graceMs });
    }
    // A lease alone changes nothing: only what was written to the node, or silence, is worth a look.
    if (sign.heartbeat !== undefined) this.#queue.add(name);
  }

  async #sync(name: string): Promise<void> {
    const node = this.#nodes.get(name);
    const seen = this.#seen.get(name);
    if (!node || !seen) return;
    this.#noticeTotalLoss();
    const leftMs = seen.atMs + seen.graceMs - this.#context.clock.monotonicMs();
    if (leftMs > 0) this.#queue.addAfter(name, leftMs);
    const current = leftMs > 0 ? node : await this.#markSilent(node);
    const fresh = current !== node;
    // Others may fall silent in the same moment: what that means is seen a little later.
    if (fresh) this.#queue.addAfter(name, SETTLE_MS);
    await this.#taint(current, fresh ? 'keep' : this.#evict(current));
    if (troubleOf(current)) await this.#markPods(current);
  }

  /**
   * When everything seems down no node is emptied any more; after such a time every node gets its grace anew:
   * the fault may have been ours.
   */
  #noticeTotalLoss(): void {
    const allDown = everythingIsDown(this.#nodes.list());
    if (this.#allDown === allDown) return;
    this.#allDown = allDown;
    const atMs = this.#context.clock.monotonicMs();
    for (const [name, seen] of this.#seen) {
      if (!allDown) this.#seen.set(name, { ...seen, atMs });
      this.#queue.add(name);
    }
  }

  async #markSilent(node: Node): Promise<Node> {
    const { client, clock, log } = this.#context;
    const conditions = silentConditions(node, clock.now());
    if (!conditions) return node;
    const wasReady = readyStatus(node) === 'True';
    const written = await client.update(
      NODES,
      { ...node, status: { ...node.status, conditions } },
      { subresource: 'status' },
    );
    log.warn({ node: nameOf(node) }, 'the kubelet stopped posting, the node is taken for lost');
    if (wasReady)
      this.#recorder.event(
        node,
        'Normal',
        'NodeNotReady',
        `Node ${nameOf(node)} status is now: NodeNotReady`,
      );
    return written;
  }

  async #taint(node: Node, evict: 'add' | 'keep' | 'remove'): Promise<void> {
    const { client, clock, log } = this.#context;
    const taints = wantedTaints(node, evict, clock.now());
    if (!taints) return;
    await client.update(NODES, { ...node, spec: { ...node.spec, taints } });
    log.info(
      { node: nameOf(node), taints: taints.map(({ key, effect }) => `${key}:${effect}`) },
      'taints of the node changed',
    );
  }

  #evict(node: Node): 'add' | 'keep' | 'remove' {
    if (!troubleOf(node)) return 'remove';
    const driven = node.spec?.taints?.some(
      ({ key, effect }) => effect === 'NoExecute' && (key === NOT_READY || key === UNREACHABLE),
    );
    if (driven) return everythingIsDown(this.#nodes.list()) ? 'remove' : 'keep';
    const waitMs = this.#gate.waitMs(node, this.#nodes.list());
    if (waitMs === 0) return 'add';
    // Looked at again when its turn comes, or when another node's state has changed.
    this.#queue.addAfter(nameOf(node), Math.min(waitMs, 10_000));
    return 'keep';
  }

  /** Nobody on a lost node says so itself: its pods leave their services. */
  async #markPods(node: Node): Promise<void> {
    const { client, clock } = this.#context;
    const condition = {
      type: 'Ready',
      status: 'False',
      reason: 'NodeNotReady',
      message: 'Node is not ready',
      lastTransitionTime: rfc3339(clock.now()),
    };
    for (const pod of this.#pods.byIndex('node', nameOf(node)).filter(isPodReady)) {
      const { namespace, name = '', uid } = metaOf(pod);
      const patch = { metadata: { uid }, status: { conditions: [condition] } };
      await client
        .patch(PODS, { namespace, name }, patch, { type: 'strategic', subresource: 'status' })
        .catch((error: unknown) => {
          if (!isNotFound(error)) throw error;
        });
      this.#recorder.event(pod, 'Warning', 'NodeNotReady', 'Node is not ready');
    }
  }
}
