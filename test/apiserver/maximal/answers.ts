import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { deepClone } from '../../../src/api/objects.ts';
import { schemaForKind, schemaForMessage } from '../../../src/api/schema.ts';
import type { RawAnswer, RawApi } from '../../helpers/raw-api.ts';
import { waitFor } from '../../helpers/wait-for.ts';
import { maximalVariants } from './generate.ts';
import type { Covered } from './generate.ts';
import { RULES } from './rules.ts';

export interface Served {
  group: string;
  version: string;
  resource: string;
  kind: string;
  scope: string;
  verbs: string[];
  subresources: Array<{ name: string; verbs: string[] }>;
}

export type Json = Record<string, unknown> & {
  apiVersion?: string;
  kind?: string;
  metadata: Record<string, unknown> & { name?: string; resourceVersion?: string };
};

/** What became of a maximal object: by path, what the server left out of what it was sent, and what it set. */
export interface Outcome {
  code: number;
  message?: string;
  dropped?: string[];
  set?: Record<string, unknown>;
  warnings?: string[];
}

export interface VariantOutcome {
  create: Outcome;
  status?: Outcome;
  ephemeral?: Outcome;
}

export const MAXIMAL_FOLDER = fileURLToPath(new URL('../../fixtures/maximal', import.meta.url));

export function servedKinds(): Served[] {
  const text = readFileSync(new URL('../../fixtures/api/served.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as Served[]).filter(
    ({ verbs, resource }) => verbs.includes('create') && resource !== 'bindings',
  );
}

export function fixtureName({ group, version, resource }: Served): string {
  return group === '' ? resource : `${resource}.${version}.${group}`;
}

export function collectionOf({ group, version, resource, scope }: Served): string {
  const root = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
  return scope === 'Namespaced' ? `${root}/namespaces/default/${resource}` : `${root}/${resource}`;
}

/** Names that a kind must have. */
const NAMES: Readonly<Record<string, string>> = {
  apiservices: 'v1.aggregated.example.com',
  customresourcedefinitions: 'maximals.maximal.example.com',
  ipaddresses: '192.0.2.77',
  csidrivers: 'csi.example.com',
};

export function objectsOf(served: Served): Array<{ object: Json; covered: Covered }> {
  const { group, version, kind, resource } = served;
  const schema = schemaForKind(group, version, kind);
  if (!schema) throw new Error(`no schema of ${kind}`);
  const apiVersion = group === '' ? version : `${group}/${version}`;
  return maximalVariants(schema, kind, RULES).map(({ object, covered }, variant) => {
    const whole = { ...object, apiVersion, kind } as unknown as Json;
    if (served.verbs.includes('get')) {
      whole.metadata = { ...whole.metadata, name: NAMES[resource] ?? `maximal-${variant}` };
    }
    // Reviews are no objects: they have no metadata but the namespace.
    else if (group === 'authorization.k8s.io') whole.metadata = {};
    if (served.scope === 'Namespaced') whole.metadata['namespace'] = 'default';
    covered.add(`${schema.goName}.apiVersion`).add(`${schema.goName}.kind`);
    return { object: whole, covered };
  });
}

/** What must be there before. */
export async function prepare(api: RawApi): Promise<void> {
  const needs: Array<[string, object]> = [
    ['/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'maximal' } }],
    [
      '/apis/scheduling.k8s.io/v1/priorityclasses',
      { metadata: { name: 'maximal' }, value: 1000, preemptionPolicy: 'Never' },
    ],
    [
      '/apis/node.k8s.io/v1/runtimeclasses',
      { metadata: { name: 'maximal' }, handler: 'h', overhead: { podFixed: { cpu: '10m', memory: '10Mi' } } },
    ],
  ];
  for (const [path, object] of needs) await api.post(path, object);
}

/** Creates each variant, reports the status of those that have one, and takes the object away again. */
export async function outcomesOf(api: RawApi, served: Served): Promise<VariantOutcome[]> {
  const outcomes: VariantOutcome[] = [];
  const collection = collectionOf(served);
  for (const { object } of objectsOf(served)) {
    const made = await api.post(`${collection}?fieldValidation=Strict`, object);
    const outcome: VariantOutcome = { create: outcomeOf(made, object) };
    outcomes.push(outcome);
    if (made.status >= 300 || !served.verbs.includes('get')) continue;
    const path = `${collection}/${encodeURIComponent(object.metadata.name ?? '')}`;
    if (object['status'] !== undefined && served.subresources.some(({ name }) => name === 'status')) {
      outcome.status = await report(api, path, object['status']);
    }
    if (served.resource === 'pods') outcome.ephemeral = await addEphemeral(api, path);
    await remove(api, path);
  }
  return outcomes;
}

/** An ephemeral container comes to a pod that is there already. */
async function addEphemeral(api: RawApi, path: string): Promise<Outcome> {
  const { object } = ephemeralVariants()[0]!;
  const now = (await api.get(path)).json() as unknown as Json & { spec: Record<string, unknown> };
  const wanted = deepClone({ ...now, spec: { ...now.spec, ephemeralContainers: [object] } });
  return { ...outcomeOf(await api.put(`${path}/ephemeralcontainers`, wanted), wanted) };
}

export function ephemeralVariants(): Array<{ object: Record<string, unknown>; covered: Covered }> {
  return maximalVariants(schemaForMessage('core-v1', 'EphemeralContainer')!, 'Pod', RULES);
}

/** Writes the status, again where the server has written something itself in the meantime. */
async function report(api: RawApi, path: string, status: unknown): Promise<Outcome> {
  for (;;) {
    const wanted = { ...deepClone(await settled(api, path)), status };
    const answer = await api.put(`${path}/status?fieldValidation=Strict`, wanted);
    if (answer.status !== 409) return outcomeOf(answer, wanted);
  }
}

/** The last condition that the server itself sets on a kind. */
const REPORTED: Readonly<Record<string, string>> = {
  CustomResourceDefinition: 'Established=True',
  APIService: 'Available=False',
};

/** The object, once the server has said itself what it has to say. */
async function settled(api: RawApi, path: string): Promise<Json> {
  return waitFor('the server reports of the object itself', async () => {
    const now = (await api.get(path)).json() as unknown as Json;
    const { conditions = [] } = (now['status'] ?? {}) as {
      conditions?: Array<{ type: string; status: string }>;
    };
    const awaited = REPORTED[String(now['kind'])];
    return awaited === undefined || conditions.some(({ type, status }) => `${type}=${status}` === awaited)
      ? now
      : undefined;
  });
}

export async function remove(api: RawApi, path: string): Promise<void> {
  await api.delete(path, { gracePeriodSeconds: 0, propagationPolicy: 'Background' });
  const left = await api.get(path);
  if (left.status === 404) return;
  const { kind, metadata } = left.json();
  if (kind === 'Namespace') await api.put(`${path}/finalize`, { kind, metadata, spec: { finalizers: [] } });
  await api.patch(path, 'merge', { metadata: { finalizers: null } });
}

function outcomeOf(answer: RawAnswer, sent: Json): Outcome {
  const warnings = [answer.headers.warning ?? []].flat();
  const body = answer.json() as unknown as Json & { message?: string };
  const common = { code: answer.status, ...(warnings.length > 0 ? { warnings } : {}) };
  if (answer.status >= 300) return { ...common, message: body.message ?? '' };
  const [before, after] = [leaves(sent), leaves(inOrder(body))];
  const dropped = [...before.keys()].filter((path) => !after.has(path) && !isChance(path)).sort();
  const changed = [...after].filter(([path, value]) => before.get(path) !== value && !isChance(path));
  return {
    ...common,
    ...(dropped.length > 0 ? { dropped } : {}),
    ...(changed.length > 0 ? { set: Object.fromEntries(changed.sort(([a], [b]) => (a < b ? -1 : 1))) } : {}),
  };
}

/** What each server chooses itself. */
function isChance(path: string): boolean {
  return /^metadata\.(uid|resourceVersion|creationTimestamp|managedFields)|\.lastPhaseTransitionTime$/.test(
    path,
  );
}

/** Rules come in the order of a cache. */
function inOrder(body: Json): Json {
  const status = body['status'] as Record<string, unknown> | undefined;
  if (body['kind'] !== 'SelfSubjectRulesReview' || !status) return body;
  const sorted = (list: unknown): unknown => (list as unknown[]).map((item) => JSON.stringify(item)).sort();
  return {
    ...body,
    status: {
      ...status,
      resourceRules: sorted(status['resourceRules']),
      nonResourceRules: sorted(status['nonResourceRules']),
    },
  };
}

/** What chance has made of a text, and who asks: each recording has a certificate of its own. */
function withoutChance(text: string): string {
  return text
    .replace(/kube-api-access-[a-z0-9]{5}/, 'kube-api-access-…')
    .replace(/X509SHA256=[0-9a-f]+/, 'X509SHA256=…')
    .replace(/^(kubernetes-super-admin|test-admin)$/, 'admin')
    .replace(/^20(?!26-01-02)\d\d-\d\d-\d\dT.*Z$/, 'now');
}

/** Every value that holds no other, by its path. */
function leaves(value: unknown, path = '', into = new Map<string, unknown>()): Map<string, unknown> {
  // Nulls and empty lists say nothing.
  if (value === null) return into;
  if (typeof value !== 'object') into.set(path, typeof value === 'string' ? withoutChance(value) : value);
  else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) leaves(item, `${path}[${index}]`, into);
  } else {
    const entries = Object.entries(value);
    if (entries.length === 0) into.set(path, '{}');
    for (const [name, item] of entries) leaves(item, path === '' ? name : `${path}.${name}`, into);
  }
  return into;
}
