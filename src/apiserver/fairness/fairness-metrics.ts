import { Counter, Gauge } from 'prom-client';
import type { Registry } from 'prom-client';
import type { Fairness, LevelView } from './fairness.ts';
import type { FlowCounts } from './ticket.ts';

const PREFIX = 'apiserver_flowcontrol_';

/** Numbers of each priority level and flow under upstream's names, read when they are asked for. */
export function observeFairness(registry: Registry, fairness: Fairness): void {
  const ofLevels = (name: string, help: string, value: (level: LevelView) => number): void => {
    const gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ['priority_level'],
      registers: [],
      collect() {
        this.reset();
        for (const [level, view] of fairness.levels) this.set({ priority_level: level }, value(view));
      },
    });
    registry.registerMetric(gauge);
  };
  const finite = (value: number): number => (Number.isFinite(value) ? value : 0);
  ofLevels('nominal_limit_seats', 'Seats that a priority level is due.', ({ nominal }) => nominal);
  ofLevels('request_concurrency_limit', 'Seats that a priority level is due.', ({ nominal }) => nominal);
  ofLevels('lower_limit_seats', 'Seats that it never lends.', ({ least }) => least);
  ofLevels('upper_limit_seats', 'Seats that it may have at most.', ({ most }) => most);
  ofLevels('current_limit_seats', 'Seats that it has now.', ({ queues, exempt, nominal }) =>
    exempt ? nominal : finite(queues.limit),
  );
  const ofFlows = (name: string, help: string, value: (counts: FlowCounts) => number): void => {
    const gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames: ['flow_schema', 'priority_level'],
      registers: [],
      collect() {
        this.reset();
        for (const { level, schema, counts } of fairness.flows()) {
          this.set({ flow_schema: schema, priority_level: level }, value(counts));
        }
      },
    });
    registry.registerMetric(gauge);
  };
  ofFlows('current_executing_requests', 'Requests that run.', ({ executing }) => executing);
  ofFlows('current_executing_seats', 'Seats that are taken.', ({ seatsInUse }) => seatsInUse);
  ofFlows('current_inqueue_requests', 'Requests that wait.', ({ waiting }) => waiting);
  observeTotals(registry, fairness);
}

function observeTotals(registry: Registry, fairness: Fairness): void {
  const dispatched = new Counter({
    name: `${PREFIX}dispatched_requests_total`,
    help: 'Requests that were let run.',
    labelNames: ['flow_schema', 'priority_level'],
    registers: [],
    collect() {
      this.reset();
      for (const { level, schema, counts } of fairness.flows()) {
        this.inc({ flow_schema: schema, priority_level: level }, counts.dispatched);
      }
    },
  });
  const rejected = new Counter({
    name: `${PREFIX}rejected_requests_total`,
    help: 'Requests that were refused.',
    labelNames: ['flow_schema', 'priority_level', 'reason'],
    registers: [],
    collect() {
      this.reset();
      for (const { level, schema, counts } of fairness.flows()) {
        for (const [reason, count] of counts.rejected) {
          this.inc({ flow_schema: schema, priority_level: level, reason }, count);
        }
      }
    },
  });
  registry.registerMetric(dispatched);
  registry.registerMetric(rejected);
}
