import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { change } from '../../helpers/change.ts';
import type { RawAnswer, RawApi } from '../../helpers/raw-api.ts';
import { comparable } from '../../helpers/scenarios.ts';

/**
 * Requests for one kind and what upstream's kube-apiserver answered to each, recorded by
 * scripts/record-tables.ts. Rows stand alone: whatever they send is a dry run.
 */
export interface Table {
  /** Of the collection: `/api/v1/namespaces/default/pods`. */
  path: string;
  /** What must be there before, as path of the collection and object. */
  needs?: Array<[path: string, object: Json]>;
  /** A valid object, which each row changes. */
  base: Json;
  rows: Row[];
}

export interface Row {
  /** `create` and `update` send the changed object; `patch` and `post` send `body` to an object that is there. */
  do: 'create' | 'update' | 'patch' | 'post' | 'delete';
  /** The subresource. */
  sub?: string;
  /** Changes of the base in the object that is there before an update, patch or post; then of its status. */
  before?: Changes;
  status?: Changes;
  /** Changes that the request makes. Null removes a field. */
  set?: Changes;
  type?: string;
  query?: string;
  body?: unknown;
  want?: Answer;
  /** Our answer is another one for now. The test fails once it is not, so that the mark goes. */
  gap?: true;
}

type Changes = Record<string, unknown>;
type Json = Record<string, unknown> & { metadata: { name: string } };

export interface Answer {
  code: number;
  reason?: string;
  /** `Reason field: message` of each cause, sorted; upstream's own order is that of a Go map. */
  errors?: string[];
  /** Where there are no causes. */
  message?: string;
  warnings?: string[];
  object?: unknown;
}

export const TABLES_FOLDER = fileURLToPath(new URL('../../fixtures/tables', import.meta.url));

export function readTable(name: string): Table {
  return JSON.parse(readFileSync(`${TABLES_FOLDER}/${name}.json`, 'utf8')) as Table;
}

export function tableNames(): string[] {
  return readdirSync(TABLES_FOLDER)
    .filter((name) => name.endsWith('.json'))
    .map((name) => name.replace(/\.json$/, ''))
    .sort();
}

export function rowTitle(row: Row): string {
  const { want: _want, gap: _gap, ...input } = row;
  return JSON.stringify(input);
}

/** Sends every row's request and gives the answers in the rows' order. */
export async function answersOf(api: RawApi, table: Table): Promise<Answer[]> {
  for (const [path, object] of table.needs ?? []) await api.post(path, object);
  const answers: Answer[] = [];
  let standing: string | undefined;
  for (const row of table.rows) {
    const wanted = row.do === 'create' ? undefined : JSON.stringify([row.before, row.status]);
    if (standing !== wanted) {
      if (standing !== undefined) await remove(api, table);
      standing = wanted;
      if (standing !== undefined) await stand(api, table, row);
    }
    answers.push(shorten(await answerOf(api, table, row)));
  }
  if (standing !== undefined) await remove(api, table);
  return answers;
}

function changed(object: Json, changes: Changes | undefined): Json {
  const copy = structuredClone(object);
  for (const [path, value] of Object.entries(changes ?? {})) change(copy, path, expand(value) ?? undefined);
  return copy;
}

/** In the files, `<x*300>` stands for 300 times x. */
function expand(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return expandText(value);
  return JSON.parse(JSON.stringify(value), (_, member: unknown) => expandText(member)) as unknown;
}

function expandText(value: unknown): unknown {
  const [, letter, count] = typeof value === 'string' ? (/^<(.)\*(\d+)>$/.exec(value) ?? []) : [];
  return letter === undefined ? value : letter.repeat(Number(count));
}

/**
 * What upstream prints of Go's own structures is for people: a value's members there have Go's names, and a
 * refused change comes as a diff of Go's printing. Identifiers and versions are each server's own.
 */
function withoutGo(message: string): string {
  return message
    .replace(/\n[^]*$/, '')
    .replace(/(Invalid|Duplicate|Unsupported) value: (\[?\{.*\}\]?|null)(?=: |$)/, '$1 value: {…}')
    .replace(/^Invalid value: "(\{.*\}|map\[.*\])"/, 'Invalid value: {…}')
    .replace(/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, '<uid>')
    .replace(/(Key: )?\/?(registry\/)?[a-z0-9./-]+(?=, ResourceVersion)/, 'Key: …')
    .replace(/(ResourceVersion in record) \(\d+\)/, '$1 (…)')
    .replace(/Key: .*?, ResourceVersion/, 'ResourceVersion');
}

function shorten<T>(answer: T): T {
  const text = JSON.stringify(answer);
  return JSON.parse(text.replace(/([a-z])\1{99,}/g, (run, letter) => `<${letter}*${run.length}>`)) as T;
}

const pathOf = (table: Table): string => `${table.path}/${encodeURIComponent(table.base.metadata.name)}`;

async function stand(api: RawApi, table: Table, row: Row): Promise<void> {
  const made = await api.post(table.path, changed(table.base, row.before));
  if (made.status !== 201) throw new Error(`the object before ${rowTitle(row)}: ${made.body.toString()}`);
  if (!row.status) return;
  const reported = await api.put(
    `${pathOf(table)}/status`,
    changed(made.json() as unknown as Json, row.status),
  );
  if (reported.status !== 200)
    throw new Error(`the status before ${rowTitle(row)}: ${reported.body.toString()}`);
}

async function remove(api: RawApi, table: Table): Promise<void> {
  await api.delete(pathOf(table), { gracePeriodSeconds: 0, propagationPolicy: 'Background' });
  const left = await api.get(pathOf(table));
  if (left.status === 404) return;
  if (table.base['kind'] === 'Namespace') {
    // Nobody empties it here.
    await api.put(`${pathOf(table)}/finalize`, { ...left.json(), spec: { finalizers: [] } });
  }
  await api.patch(pathOf(table), 'merge', { metadata: { finalizers: null } });
}

async function answerOf(api: RawApi, table: Table, row: Row): Promise<Answer> {
  const query = ['dryRun=All', ...(row.query ? [row.query] : [])].join('&');
  const below = row.sub === undefined ? '' : `/${row.sub}`;
  if (row.do === 'create')
    return withoutSuffix(read(await api.post(`${table.path}?${query}`, changed(table.base, row.set))), row);
  const path = `${pathOf(table)}${below}?${query}`;
  switch (row.do) {
    case 'update': {
      const now = await api.get(row.sub === 'scale' ? `${pathOf(table)}/scale` : pathOf(table));
      return read(await api.put(path, changed(now.json() as unknown as Json, row.set)));
    }
    case 'patch':
      return read(await api.request('PATCH', path, { body: row.body, headers: headersOf(row) }));
    case 'delete':
      return read(await api.request('DELETE', path, row.body === undefined ? {} : { body: row.body }));
    default:
      return read(await api.post(path, row.body));
  }
}

/** The end of a generated name is a matter of chance. */
function withoutSuffix(answer: Answer, { set }: Row): Answer {
  const prefix = set?.['metadata.generateName'];
  if (typeof prefix !== 'string') return answer;
  const text = JSON.stringify(answer).replaceAll(
    new RegExp(`${prefix}[a-z0-9]{5}\\b`, 'g'),
    `${prefix}<random>`,
  );
  return JSON.parse(text) as Answer;
}

function headersOf({ type = 'merge-patch+json' }: Row): Record<string, string> {
  return { 'content-type': `application/${type}`, accept: 'application/json', 'user-agent': 'tester/1.0' };
}

interface StatusBody {
  reason?: string;
  message?: string;
  details?: { causes?: Array<{ reason?: string; field?: string; message?: string }> };
}

function read(answer: RawAnswer): Answer {
  const warnings = [answer.headers.warning ?? []].flat();
  const common = { code: answer.status, ...(warnings.length > 0 ? { warnings } : {}) };
  if (answer.status < 300) return { ...common, object: withoutChance(comparable(answer.json())) };
  const { reason, message, details } = answer.json() as unknown as StatusBody;
  const causes = (details?.causes ?? []).map(
    (cause) => `${cause.reason} ${cause.field}: ${withoutGo(cause.message ?? '')}`,
  );
  const rest =
    causes.length > 0 ? { errors: [...new Set(causes)].sort() } : { message: withoutGo(message ?? '') };
  return { ...common, ...(reason === undefined ? {} : { reason }), ...rest };
}

/** What a server chooses by chance, and who wrote which field, which the recorded scenarios compare. */
const CHANCE: ReadonlySet<string> = new Set([
  'managedFields',
  'clusterIP',
  'clusterIPs',
  'nodePort',
  'healthCheckNodePort',
  'token',
  'timeAdded',
  'expirationTimestamp',
  'lastPhaseTransitionTime',
  'lastUpdateTime',
  'authentication.kubernetes.io/credential-id',
  'batch.kubernetes.io/controller-uid',
  'controller-uid',
]);

/** Whom the two servers' certificates of the tests name. */
const ADMINS: ReadonlySet<unknown> = new Set(['kubernetes-super-admin', 'test-admin']);

function withoutChance(value: unknown): unknown {
  if (ADMINS.has(value)) return '<admin>';
  if (Array.isArray(value)) return value.map(withoutChance);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name]) => !CHANCE.has(name))
      .map(([name, item]) => [name, withoutChance(item)]),
  );
}
