import {
  Listr,
  type ListrTask,
  type ListrTaskWrapper,
  type DefaultRenderer,
  type SimpleRenderer,
} from 'listr2';
import type { ReportEvent, View } from '../report.ts';

type Wrapper = ListrTaskWrapper<unknown, typeof DefaultRenderer, typeof SimpleRenderer>;

/** A promise that somebody else settles. */
interface Gate<T> {
  promise: Promise<T>;
  open: (value: T) => void;
  fail: (error: Error) => void;
}

function gate<T>(): Gate<T> {
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  // A phase that is never reached leaves its gate unread.
  promise.catch(() => {});
  return { promise, open: resolve, fail: reject };
}

interface PhaseGates {
  started: Gate<string[] | undefined>;
  finished: Gate<boolean>;
  nodes: Map<string, { gate: Gate<void>; wrapper: Wrapper | undefined }>;
  wrapper: Wrapper | undefined;
}

/** A live list of steps and servers on a terminal. The phases run by themselves; the list only follows them. */
export function liveView(): View {
  const phases = new Map<string, PhaseGates>();
  let running: Promise<unknown> | undefined;

  const start = (plan: Array<{ id: string; title: string }>): void => {
    const tasks = plan.map(({ id, title }): ListrTask => {
      const gates: PhaseGates = { started: gate(), finished: gate(), nodes: new Map(), wrapper: undefined };
      phases.set(id, gates);
      return { title, task: (_, wrapper) => follow(gates, wrapper as Wrapper) };
    });
    const list = new Listr(tasks, {
      exitOnError: true,
      registerSignalListeners: false,
      rendererOptions: { collapseSubtasks: true, showErrorMessage: false, collapseErrors: false },
    });
    running = list.run().catch(() => {});
  };

  return {
    report: (event) => {
      if (event.type === 'plan') start(event.phases);
      else handle(phases, event);
    },
    finish: async () => {
      for (const { started, finished } of phases.values()) {
        started.fail(new Error('not reached'));
        finished.fail(new Error('not reached'));
      }
      await running;
    },
  };
}

async function follow(gates: PhaseGates, wrapper: Wrapper): Promise<Listr | void> {
  gates.wrapper = wrapper;
  const nodes = await gates.started.promise;
  if (nodes === undefined || nodes.length === 0) {
    if (!(await gates.finished.promise)) wrapper.skip();
    return undefined;
  }
  const subtasks = nodes.map((name): ListrTask => ({
    title: name,
    task: async (_, sub) => {
      const node = gates.nodes.get(name);
      if (!node) return;
      node.wrapper = sub as Wrapper;
      await node.gate.promise;
    },
  }));
  return wrapper.newListr(subtasks, { concurrent: true, exitOnError: false });
}

function handle(phases: Map<string, PhaseGates>, event: ReportEvent): void {
  if (!('phase' in event)) return;
  const gates = phases.get(event.phase);
  if (!gates) return;
  const show = (node: string | undefined, text: string): void => {
    const wrapper = node === undefined ? gates.wrapper : (gates.nodes.get(node)?.wrapper ?? gates.wrapper);
    if (wrapper) wrapper.output = text;
  };
  switch (event.type) {
    case 'phase-started':
      for (const name of event.nodes) gates.nodes.set(name, { gate: gate(), wrapper: undefined });
      gates.started.open(event.nodes);
      break;
    case 'phase-finished':
      gates.finished.open(!event.skipped);
      break;
    case 'phase-failed':
      gates.finished.fail(new Error('failed'));
      for (const { gate: each } of gates.nodes.values()) each.open();
      break;
    case 'node-finished':
      gates.nodes.get(event.node)?.gate.open();
      break;
    case 'node-failed':
      gates.nodes.get(event.node)?.gate.fail(new Error(event.message));
      break;
    case 'change':
      show(event.node, event.change);
      break;
    case 'progress':
      show(event.node, event.message);
      break;
    default:
      break;
  }
}
