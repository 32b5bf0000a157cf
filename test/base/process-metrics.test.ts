import test from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import { processMetrics } from '../../src/base/process-metrics.ts';
import { waitFor } from '../helpers/wait-for.ts';

test('a stall of the event loop shows in the metrics, with CPU and memory', async (t) => {
  const registry = processMetrics();
  const longest = async (): Promise<number> => {
    const line = /^slipway_event_loop_stall_max_seconds (.+)$/m.exec(await registry.metrics());
    return Number(line?.[1]);
  };
  // Before its first tick the monitor notices nothing, so the loop may have to be held up more than once.
  await waitFor('a stall is seen', async () => {
    const until = systemClock.monotonicMs() + 120;
    while (systemClock.monotonicMs() < until);
    await new Promise((resolve) => setImmediate(resolve));
    return (await longest()) > 0.08;
  });
  const text = await registry.metrics();
  for (const name of [
    'process_cpu_seconds_total',
    'process_resident_memory_bytes',
    'nodejs_eventloop_lag_p99_seconds',
  ]) {
    t.true(text.includes(`\n${name} `), name);
  }
});
