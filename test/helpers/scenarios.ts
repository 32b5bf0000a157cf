import { existsSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { RawApi } from './raw-api.ts';

/**
 * Requests with what upstream's kube-apiserver v1.36.0 answered, recorded by sending them to it. The bodies
 * are without what no two servers share: see `comparable`.
 */
export interface Scenario {
  title: string;
  steps: ScenarioStep[];
}

interface ScenarioStep {
  request: { method: string; path: string; type?: string; body?: unknown; agent?: string; accept?: string };
  code: number;
  body: unknown;
  warnings?: string[];
}

export function readScenarios(name: string): Scenario[] {
  const path = new URL(`../fixtures/upstream/${name}.json`, import.meta.url);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Scenario[]) : [];
}

/** The real clock, but that its time of day can be moved on. */
export function movableClock(): Clock & { move(ms: number): void } {
  let offsetMs = 0;
  return {
    now: () => systemClock.now() + offsetMs,
    monotonicMs: () => systemClock.monotonicMs(),
    after: (delayMs, fn) => systemClock.after(delayMs, fn),
    sleep: (delayMs, signal) => systemClock.sleep(delayMs, signal),
    move: (ms) => {
      offsetMs += ms;
    },
  };
}

/** Sends a scenario's requests and compares the answers with upstream's. */
export async function replay(
  t: ExecutionContext,
  api: RawApi,
  scenario: Scenario,
  betweenSteps: () => void | Promise<void> = () => undefined,
): Promise<void> {
  for (const [index, { request, code, body, warnings }] of scenario.steps.entries()) {
    const { method, path, type, agent, accept } = request;
    await betweenSteps();
    const answer = await api.request(method, path, {
      body: request.body,
      headers: {
        accept: accept ?? 'application/json',
        'user-agent': agent ?? 'tester/1.0',
        ...(request.body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
      },
    });
    const where = `step ${index + 1}: ${method} ${path}`;
    t.deepEqual(comparable(answer.json()), body, where);
    t.is(answer.status, code, where);
    t.deepEqual([answer.headers.warning ?? []].flat(), warnings ?? [], where);
  }
}

const UNIQUE: ReadonlySet<string> = new Set([
  'resourceVersion',
  'creationTimestamp',
  'selfLink',
  'deletionTimestamp',
]);

/** Causes of a Status, which upstream gives in the order of a Go map: in any. */
function isCause(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'message' in value && 'field' in value;
}

/** A body without identifiers, versions, times and nulls, its keys in order. */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(comparable);
    return value.every(isCause)
      ? items.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
      : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (item === null || (Array.isArray(item) && item.length === 0)) continue;
    if (name === 'uid' && /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(String(item))) continue;
    if (UNIQUE.has(name) && typeof item !== 'object') continue;
    const isTime = (name === 'time' && typeof item === 'string') || name === 'lastTransitionTime';
    out[name] = isTime ? 'T' : comparable(item);
  }
  return out;
}
