import { PODS } from '../api/gen/resources.ts';
import type { Pod } from '../api/gen/types/core-v1.ts';
import type { KubeObject } from '../api/resource.ts';
import { rfc3339 } from '../base/clock.ts';
import type { Clock } from '../base/clock.ts';
import { isNotFound } from '../client/errors.ts';
import type { Client } from '../client/client.ts';
import type { EventRecorder } from '../client/events.ts';
import type { PodInfo } from './node-info.ts';

interface BindingObject extends KubeObject {
  target: { apiVersion: string; kind: string; name: string };
}

/** What the scheduler tells the API about its decisions. */
export class Outcomes {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #recorder: EventRecorder;

  constructor(client: Client, clock: Clock, recorder: EventRecorder) {
    this.#client = client;
    this.#clock = clock;
    this.#recorder = recorder;
  }

  /** The uid in the binding guards against another pod that came under the same name. */
  async bind({ pod, uid, key }: PodInfo, node: string): Promise<void> {
    const { namespace, name = '' } = pod.metadata ?? {};
    const binding: BindingObject = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { namespace, name, uid },
      target: { apiVersion: 'v1', kind: 'Node', name: node },
    };
    await this.#client.createSubresource(PODS, { namespace, name }, 'binding', binding);
    this.#recorder.event(pod, 'Normal', 'Scheduled', `Successfully assigned ${key} to ${node}`);
  }

  /** Event and condition of a pod that found no node; written only when they say something new. */
  async unschedulable(pod: Pod, message: string, nominatedNodeName: string | undefined): Promise<void> {
    this.#recorder.event(pod, 'Warning', 'FailedScheduling', message);
    await this.#condition(pod, 'Unschedulable', message, nominatedNodeName);
  }

  /** The pod is not to be scheduled before its gates are removed. */
  async gated(pod: Pod): Promise<void> {
    await this.#condition(
      pod,
      'SchedulingGated',
      'Scheduling is blocked due to non-empty scheduling gates',
      undefined,
    );
  }

  async #condition(
    pod: Pod,
    reason: string,
    message: string,
    nominatedNodeName: string | undefined,
  ): Promise<void> {
    const old = pod.status?.conditions?.find(({ type }) => type === 'PodScheduled');
    const same = old?.status === 'False' && old.reason === reason && old.message === message;
    if (same && (nominatedNodeName === undefined || nominatedNodeName === pod.status?.nominatedNodeName))
      return;
    const lastTransitionTime = old?.status === 'False' ? old.lastTransitionTime : rfc3339(this.#clock.now());
    const condition = { type: 'PodScheduled', status: 'False', reason, message, lastTransitionTime };
    const { namespace, name = '', uid } = pod.metadata ?? {};
    const status = {
      conditions: [condition],
      ...(nominatedNodeName === undefined ? {} : { nominatedNodeName }),
    };
    await this.#ignoreGone(
      this.#client.patch(
        PODS,
        { namespace, name },
        { metadata: { uid }, status },
        { type: 'strategic', subresource: 'status' },
      ),
    );
  }

  /** Makes room: each victim is told why, then deleted with its own grace. */
  async evict(victims: readonly PodInfo[], preemptor: PodInfo, node: string): Promise<void> {
    await Promise.all(
      victims.map(async ({ pod, uid }) => {
        const { namespace, name = '' } = pod.metadata ?? {};
        const message = 'default-scheduler: preempting to accommodate a higher priority pod';
        const lastTransitionTime = rfc3339(this.#clock.now());
        const condition = {
          type: 'DisruptionTarget',
          status: 'True',
          reason: 'PreemptionByScheduler',
          message,
          lastTransitionTime,
        };
        const patch = { metadata: { uid }, status: { conditions: [condition] } };
        await this.#ignoreGone(
          this.#client.patch(PODS, { namespace, name }, patch, { type: 'strategic', subresource: 'status' }),
        );
        await this.#ignoreGone(this.#client.delete(PODS, { namespace, name }, { preconditions: { uid } }));
        this.#recorder.event(pod, 'Normal', 'Preempted', `Preempted by pod ${preemptor.uid} on node ${node}`);
      }),
    );
  }

  async #ignoreGone(write: Promise<unknown>): Promise<void> {
    try {
      await write;
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }
}
