import { NODES } from '../../api/gen/resources.ts';
import type { Node } from '../../api/gen/types/core-v1.ts';
import { keyedLoop, recorderFor } from '../shared/controller.ts';
import type { ControllerDefinition } from '../shared/controller.ts';
import { nameOf, uidOf } from '../shared/meta.ts';
import { RangeSet } from './range-set.ts';

export interface PodRangesOptions {
  /** '10.244.0.0/16'. */
  clusterCidr: string;
  /** 24: each node gets a /24. */
  nodeCidrMaskSize: number;
}

/**
 * Gives each node a pod range of its own, once and for good. Ranges in use are learnt from the nodes
 * themselves, so that a restart or another leader gives none out twice. Mirrors nodeipam/ipam/range_allocator.go.
 */
export function podRangesController(options: PodRangesOptions): ControllerDefinition {
  return {
    name: 'pod-ranges',
    inputs: ['nodes'],
    outputs: ['nodes'],
    start(context) {
      const { client } = context;
      const nodes = context.informers.for(NODES);
      const recorder = recorderFor(context, 'cidrAllocator');
      const ranges = new RangeSet(options.clusterCidr, options.nodeCidrMaskSize);
      const { queue, loop } = keyedLoop(context, {
        name: 'pod-ranges',
        // One at a time: two nodes must never look for a free range together.
        workers: 1,
        async sync(name) {
          const node = nodes.get(name);
          if (!node || node.spec?.podCIDR) return;
          const range = ranges.take(uidOf(node));
          if (range === undefined) {
            recorder.event(
              node,
              'Normal',
              'CIDRNotAvailable',
              `Node ${name} status is now: CIDRNotAvailable`,
            );
            context.log.warn(
              { node: name, clusterCidr: options.clusterCidr },
              'no pod range is left for the node',
            );
            return;
          }
          // The uid guards against another node that came under the same name.
          const patch = { metadata: { uid: uidOf(node) }, spec: { podCIDR: range, podCIDRs: [range] } };
          await client.patch(NODES, { name }, patch, { type: 'merge' });
          context.log.info({ node: name, range }, 'pod range given');
        },
      });
      const occupy = (node: Node): void => {
        const range = node.spec?.podCIDR;
        if (range) ranges.occupy(range, uidOf(node));
        else queue.add(nameOf(node));
      };
      nodes.subscribe({
        added: occupy,
        updated: (_, node) => occupy(node),
        deleted(node) {
          ranges.release(uidOf(node));
          // The range that came free may be what another one waits for.
          for (const other of nodes.list()) if (!other.spec?.podCIDR) queue.add(nameOf(other));
        },
      });
      return [loop];
    },
  };
}
