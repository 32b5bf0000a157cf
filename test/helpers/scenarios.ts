import { existsSync, readFileSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import { systemClock } from '../../src/base/clock.ts';
import type { Clock } from '../../src/base/clock.ts';
import type { RawAnswer, RawApi } from './raw-api.ts';
import { waitFor } from './wait-for.ts';

/**
 * Requests with what upstream's kube-apiserver v1.36.0 answered, recorded by sending them to it. The bodies
 * are without what no two servers share: see `comparable`.
 */
export interface Scenario {
  title: string;
  steps: ScenarioStep[];
}

interface ScenarioStep {
  /** The request is sent until the object has this condition. */
  until?: string;
  /** The body gets the object's present version. */
  rv?: boolean;
  request: { method: string; path: string; type?: string; body?: unknown; agent?: string; accept?: string };
  code: number;
  body: unknown;
  warnings?: string[];
}

export function readScenarios(name: string): Scenario[] {
  const path = new URL(`../fixtures/upstream/${name}.json`, import.meta.url);
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Scenario[]) : [];
}

/** The real clock, but that its time of day can be moved on, and so can what durations are measured by. */
export function movableClock(): Clock & { move(ms: number): void; skip(ms: number): void } {
  let offsetMs = 0;
  let skippedMs = 0;
  return {
    now: () => systemClock.now() + offsetMs,
    monotonicMs: () => systemClock.monotonicMs() + skippedMs,
    after: (delayMs, fn) => systemClock.after(delayMs, fn),
    sleep: (delayMs, signal) => systemClock.sleep(delayMs, signal),
    move: (ms) => {
      offsetMs += ms;
    },
    skip: (ms) => {
      skippedMs += ms;
    },
  };
}

/** Sends a scenario's requests and compares the answers with upstream's; `anyOrder` is that of managers. */
export async function replay(
  t: ExecutionContext,
  api: RawApi,
  scenario: Scenario,
  betweenSteps: () => void | Promise<void> = () => undefined,
  anyOrder = false,
): Promise<void> {
  for (const [index, step] of scenario.steps.entries()) {
    const { request, code, body, warnings } = step;
    // A pause: upstream needed time for what is done at once here.
    if (request === undefined) continue;
    const { method, path, type, agent, accept } = request;
    await betweenSteps();
    if (step.rv) await takeVersion(api, step);
    const send = () =>
      api.request(method, path, {
        body: request.body,
        headers: {
          accept: accept ?? 'application/json',
          'user-agent': agent ?? 'tester/1.0',
          ...(request.body === undefined ? {} : { 'content-type': type ?? 'application/json' }),
        },
      });
    const answer = await (step.until === undefined ? send() : waitForCondition(send, step.until));
    const where = `step ${index + 1}: ${method} ${path}`;
    const [actual, wanted] = [comparable(answer.json()), comparable(body)];
    if (anyOrder || step.until !== undefined) for (const each of [actual, wanted]) sortManagers(each);
    t.deepEqual(withoutOrder(actual, wanted), withoutOrder(wanted, wanted), where);
    t.is(answer.status, code, where);
    t.deepEqual([answer.headers.warning ?? []].flat(), warnings ?? [], where);
  }
}

async function takeVersion(api: RawApi, { request }: ScenarioStep): Promise<void> {
  const current = await api.get(request.path.replace(/\/status$/, ''));
  const { metadata } = request.body as { metadata: { resourceVersion?: string } };
  metadata.resourceVersion = current.json().metadata.resourceVersion;
}

interface WithConditions {
  status?: { conditions?: Array<{ type: string; status: string }> };
}

function waitForCondition(send: () => Promise<RawAnswer>, type: string): Promise<RawAnswer> {
  return waitFor(`the condition ${type}`, async () => {
    const answer = await send();
    const { conditions = [] } = (answer.json() as WithConditions).status ?? {};
    const found = conditions.find((condition) => condition.type === type);
    return found && (found.status === 'True' || type === 'NamesAccepted') ? answer : undefined;
  });
}

const UNIQUE: ReadonlySet<string> = new Set([
  'resourceVersion',
  'creationTimestamp',
  'selfLink',
  'deletionTimestamp',
]);

/** The server writes in the background: whether in the same second is chance. */
function sortManagers(object: unknown): void {
  const { metadata, items } = object as { metadata?: { managedFields?: unknown[] }; items?: unknown[] };
  metadata?.managedFields?.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
  for (const item of items ?? []) sortManagers(item);
}

interface WithMessage {
  message?: string;
  reason?: string;
}

/** Of several causes the message names all, in any order: then the causes alone are compared. */
function withoutOrder(body: unknown, wanted: unknown): unknown {
  const { message = '', reason } = (wanted ?? {}) as WithMessage;
  const isSeveral = /^\d+ causes$/.test(message) || (reason === 'Invalid' && message.includes(': ['));
  return isSeveral ? { ...(body as object), message: '' } : body;
}

/** Causes of a Status, which upstream gives in the order of a Go map: in any. */
function isCause(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'message' in value && 'field' in value;
}

/** A body without identifiers, versions, times and nulls, its keys in order. */
export function comparable(value: unknown): unknown {
  if (Array.isArray(value)) {
    const items = value.map(comparable);
    if (!value.every(isCause)) return items;
    // Upstream checks some metadata twice.
    const distinct = new Map(items.map((item) => [JSON.stringify(item), item]));
    return [...distinct].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, item]) => item);
  }
  if (typeof value !== 'object' || value === null) return value;
  const out: Record<string, unknown> = {};
  for (const [name, item] of Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (item === null || (Array.isArray(item) && item.length === 0)) continue;
    // An explanation in words of its own.
    if (name === 'description' && 'format' in value && value.format === 'name') continue;
    if (name === 'continue' && item === '') continue;
    if (name === 'uid' && /^[0-9a-f]{8}-[0-9a-f]{4}-/.test(String(item))) continue;
    if (UNIQUE.has(name) && typeof item !== 'object') continue;
    if (name === 'verbs' && Array.isArray(item)) {
      out[name] = [...(item as string[])].sort();
      continue;
    }
    const isTime = (name === 'time' && typeof item === 'string') || name === 'lastTransitionTime';
    out[name] = isTime ? 'T' : comparable(item);
  }
  return out;
}
