import type { Pod } from '../api/gen/types/core-v1.ts';
import type { KubeObject } from '../api/resource.ts';

/** Records events about pods and the node; never fails. */
export interface PodEvents {
  /** `container` makes the event point at 'spec.containers{name}', as upstream's do. */
  event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string, container?: string): void;
  nodeEvent(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** As client/events.ts, EventRecorder. */
export interface Recorder {
  event(object: KubeObject, type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export const noEvents: PodEvents = { event() {}, nodeEvent() {} };
