import type { RequestInfo } from '../request-context.ts';

/** What became of the requests of one FlowSchema at one level. */
export interface FlowCounts {
  waiting: number;
  executing: number;
  seatsInUse: number;
  dispatched: number;
  /** By reason. */
  rejected: Map<string, number>;
}

export function flowCounts(): FlowCounts {
  return { waiting: 0, executing: 0, seatsInUse: 0, dispatched: 0, rejected: new Map() };
}

/** A request on its way through a priority level. */
export interface Ticket {
  /** Name of its FlowSchema. */
  readonly schema: string;
  /** User or namespace, where the schema tells flows apart by it. */
  readonly distinguisher: string;
  /** Taken while it runs. */
  readonly seats: number;
  /** Held after the answer for `holdMs`: what the server does for watchers. */
  readonly holdSeats: number;
  readonly holdMs: number;
  /** Epoch. */
  readonly arrivedMs: number;
  readonly info: RequestInfo;
  readonly userName: string;
  readonly counts: FlowCounts;
  /** Epoch; 0 while it waits. */
  startedMs: number;
}
