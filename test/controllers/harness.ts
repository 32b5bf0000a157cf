import type { KubeObject, ResourceInfo } from '../../src/api/resource.ts';
import { silentLogger } from '../../src/base/log.ts';
import { InformerFactory } from '../../src/client/informer-factory.ts';
import { MemoryClient } from '../../src/client/memory-client.ts';
import type { RecordedWrite } from '../../src/client/memory-semantics.ts';
import type {
  ControllerContext,
  ControllerDefinition,
  Loop,
} from '../../src/controllers/shared/controller.ts';
import { Discovery } from '../../src/controllers/shared/discovery.ts';
import { createClock } from '../helpers/fake-clock.ts';
import type { FakeClock } from '../helpers/fake-clock.ts';

export interface Harness {
  clock: FakeClock;
  client: MemoryClient;
  context: ControllerContext;
  /** Lets everything that is due happen: informers, queues, writes. Moves the clock a little. */
  settle(ms?: number): Promise<void>;
  /** The writes since the last call, events left out, as 'verb resource/subresource name'. */
  took(): string[];
  /** The same with bodies. */
  writes(): RecordedWrite[];
  stop(): Promise<void>;
}

/** Runs a controller on the fake client and a clock that stands still. */
export function harness(
  start: ((context: ControllerContext) => Loop[]) | ControllerDefinition,
  objects: ReadonlyArray<[ResourceInfo, KubeObject]> = [],
): Harness {
  const clock = createClock();
  const client = new MemoryClient(clock, objects);
  const informers = new InformerFactory(client, clock, silentLogger);
  const discovery = new Discovery(client, clock);
  const context: ControllerContext = { client, informers, discovery, clock, log: silentLogger };
  const stop = new AbortController();
  const running = [
    ...(typeof start === 'function' ? start(context) : start.start(context)),
    (signal: AbortSignal) => informers.run(signal),
  ].map((loop) => loop(stop.signal));
  const writes = (): RecordedWrite[] =>
    client.writes.splice(0).filter(({ resource }) => resource !== 'events');
  return {
    clock,
    client,
    context,
    writes,
    settle: (ms = 50) => clock.advance(ms),
    took: () =>
      writes().map(({ verb, resource, subresource, name }) =>
        `${verb} ${resource}${subresource ? `/${subresource}` : ''} ${name ?? ''}`.trim(),
      ),
    async stop() {
      stop.abort();
      await clock.advance(10_000);
      await Promise.all(running);
    },
  };
}
