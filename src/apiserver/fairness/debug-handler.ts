import { formatDuration } from '../../api/time.ts';
import { isTrue } from '../http/request-info.ts';
import type { PathHandler } from '../path-handler.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import type { Fairness } from './fairness.ts';

const ROOT = '/debug/api_priority_and_fairness/';

/** What waits and runs, as upstream's dumps. Mirrors apiserver pkg/util/flowcontrol/apf_controller_debug.go. */
export class FairnessDebugHandler implements PathHandler {
  readonly #fairness: Fairness;

  constructor(fairness: Fairness) {
    this.#fairness = fairness;
  }

  handle({ info, http }: RequestContext, response: ApiResponse): boolean {
    if (!info.path.startsWith(ROOT)) return false;
    const dump = info.path.slice(ROOT.length);
    if (dump === 'dump_priority_levels') send(response, this.#levels());
    else if (dump === 'dump_queues') send(response, this.#queues());
    else if (dump === 'dump_requests')
      send(response, this.#requests(isTrue(http.query.get('includeRequestDetails'))));
    else return false;
    return true;
  }

  #levels(): string[][] {
    const rows = [...this.#fairness.levels].sort(([a], [b]) => (a < b ? -1 : 1));
    return [
      [
        'PriorityLevelName',
        'ActiveQueues',
        'IsIdle',
        'IsQuiescing',
        'WaitingRequests',
        'ExecutingRequests',
        'DispatchedRequests',
        'RejectedRequests',
        'TimedoutRequests',
        'CancelledRequests',
      ],
      ...rows.map(([name, { queues }]) => {
        const { waiting, executing, dispatched, rejected, timedOut, cancelled } = queues.counts;
        const active = queues.queues().filter((queue) => queue.waiting > 0).length;
        const idle = waiting === 0 && executing === 0;
        const counts = [waiting, executing, dispatched, rejected, timedOut, cancelled];
        return [name, String(active), String(idle), 'false', ...counts.map(String)];
      }),
    ];
  }

  #requests(details: boolean): string[][] {
    const head = [
      'PriorityLevelName',
      'FlowSchemaName',
      'QueueIndex',
      'RequestIndexInQueue',
      'FlowDistingsher',
      'ArriveTime',
      'InitialSeats',
      'FinalSeats',
      'AdditionalLatency',
      'StartTime',
    ];
    const more = [
      'UserName',
      'Verb',
      'APIPath',
      'Namespace',
      'Name',
      'APIVersion',
      'Resource',
      'SubResource',
    ];
    const rows = [details ? [...head, ...more] : head];
    for (const [name, { queues }] of this.#fairness.levels) {
      for (const { ticket, queue, place } of queues.tickets()) {
        const { schema, distinguisher, seats, holdSeats, holdMs, info } = ticket;
        const arrived = timeOf(ticket.arrivedMs);
        const latency = formatDuration(BigInt(Math.round(holdMs * 1_000_000)));
        const numbers = [String(seats), String(holdSeats), latency];
        const row = [name, schema, String(queue), String(place), distinguisher, arrived, ...numbers];
        row.push(timeOf(ticket.startedMs));
        if (details) {
          const version = info.group === '' ? info.version : `${info.group}/${info.version}`;
          row.push(ticket.userName, info.verb, info.path, info.namespace, info.name, version);
          row.push(info.resource, info.subresource);
        }
        rows.push(row);
      }
    }
    return rows;
  }

  #queues(): string[][] {
    return [
      [
        'PriorityLevelName',
        'Index',
        'PendingRequests',
        'ExecutingRequests',
        'SeatsInUse',
        'NextDispatchR',
        'InitialSeatsSum',
        'MaxSeatsSum',
        'TotalWorkSum',
      ],
      ...[...this.#fairness.levels].flatMap(([name, { queues }]) =>
        queues
          .queues()
          .map(({ waiting, executing, seatsInUse, seatsWanted, nextStart }, index) => [
            name,
            ...[index, waiting, executing, seatsInUse].map(String),
            `${nextStart.toFixed(8)}ss`,
            ...[seatsWanted, seatsWanted].map(String),
            `${seatsWanted.toFixed(8)}ss`,
          ]),
      ),
    ];
  }
}

/** As Go prints it; the zero time for what has not happened. */
function timeOf(epochMs: number): string {
  if (epochMs === 0) return '0001-01-01T00:00:00Z';
  return new Date(epochMs).toISOString().replace(/\.?0*Z$/, 'Z');
}

/** Columns as wide as what is in them, with ',' and spaces between. */
function send(response: ApiResponse, rows: readonly string[][]): void {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(8, ...rows.map((row) => (row[column] ?? '').length + 2)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) => (column === row.length - 1 ? cell : `${cell},`.padEnd(widths[column] ?? 0)))
      .join(''),
  );
  response.setHeader('x-content-type-options', 'nosniff');
  response.send(200, 'text/plain; charset=utf-8', Buffer.from(`${lines.join('\n')}\n`));
}
