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

  handle({ info }: RequestContext, response: ApiResponse): boolean {
    if (!info.path.startsWith(ROOT)) return false;
    const dump = info.path.slice(ROOT.length);
    if (dump === 'dump_priority_levels') send(response, this.#levels());
    else if (dump === 'dump_queues') send(response, this.#queues());
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
