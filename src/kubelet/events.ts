import type { Pod } from '../api/gen/types/core-v1.ts';
import type { EventRecorder } from '../client/events.ts';
import { ephemeralContainers, isInitContainer } from './pods/pod-spec.ts';

/** Records events about pods and the node; never fails. */
export interface PodEvents {
  /** `container` makes the event point at 'spec.containers{name}', as upstream's do. */
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  nodeEvent(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export const noEvents: PodEvents = { event() {}, nodeEvent() {} };

/** Events through the client's recorder, which counts repeats and never blocks. */
export function recordedEvents(recorder: EventRecorder, nodeName: string): PodEvents {
  return {
    event(pod, type, reason, message, container) {
      recorder.event(pod, type, reason, message, container && fieldPathOf(pod, container));
    },
    nodeEvent(type, reason, message) {
      // Upstream's reference: the node's name stands for its uid.
      const node = { apiVersion: 'v1', kind: 'Node', name: nodeName, uid: nodeName };
      recorder.eventFor(node, type, reason, message);
    },
  };
}

function fieldPathOf(pod: Pod, container: string): string {
  if (isInitContainer(pod, container)) return `spec.initContainers{${container}}`;
  const ephemeral = ephemeralContainers(pod).some(({ name }) => name === container);
  return `spec.${ephemeral ? 'ephemeralContainers' : 'containers'}{${container}}`;
}
