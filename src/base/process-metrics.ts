import { collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/**
 * Metrics that every process of ours has: CPU, memory, garbage collection, and how long the event loop was
 * held up. `slipway_event_loop_stall_max_seconds` is the longest stall since the process began; the
 * percentiles of prom-client's own nodejs_eventloop_lag are since the last scrape.
 */
export function processMetrics(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 10 });
  const delay = monitorEventLoopDelay({ resolution: 10 });
  delay.enable();
  registry.registerMetric(
    new Gauge({
      name: 'slipway_event_loop_stall_max_seconds',
      help: 'The longest time that the event loop was held up.',
      registers: [],
      collect() {
        this.set(Math.max(0, delay.max / 1e9 - 0.01));
      },
    }),
  );
  return registry;
}
