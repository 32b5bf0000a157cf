import { stringifyJson } from '../../api/json/encode.ts';
import { encodeProtobuf } from '../../api/protobuf/envelope.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import type { ListResult } from '../registry/list.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { yieldEvery } from '../registry/yield-every.ts';
import { includeObject } from './object-answer.ts';
import { partialMetadata } from './partial-metadata.ts';
import { JSON_TYPE } from './representation.ts';
import type { Representation } from './representation.ts';
import { encodeObject, sendBytes } from './send.ts';
import type { SendTarget } from './send.ts';
import { columnDefinitions, columnsOf, tableRow } from './table.ts';

const COMMA = Buffer.from(',');
const OPEN = Buffer.from('{');
const NEXT = Buffer.from(',{');
const END = Buffer.from(']}\n');

/** What is computed when it is read has no revision. */
type ShownList = Omit<ListResult, 'revision'> & { revision: number | undefined };

/** Answers with a list; in plain JSON it is a concatenation of cached bytes. */
export async function sendList(
  target: SendTarget,
  served: ServedResource,
  result: ShownList,
  representation: Representation,
  clock: Clock,
): Promise<void> {
  const metadata = listMetadata(result);
  if (representation.as === '' && representation.mediaType === JSON_TYPE && !representation.pretty) {
    const head = { kind: served.listKind, apiVersion: served.apiVersion, metadata };
    const parts: Buffer[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
    const pause = yieldEvery(clock);
    const typed = typedHead(served);
    for (const [index, entry] of result.entries.entries()) {
      const bytes = served.json(entry);
      if (typed && bytes.compare(typed, 0, typed.length, 0, typed.length) === 0) {
        parts.push(index > 0 ? NEXT : OPEN, bytes.subarray(typed.length));
      } else if (index > 0) parts.push(COMMA, bytes);
      else parts.push(bytes);
      if (!served.servesStoredForm) await pause();
    }
    parts.push(END);
    await sendBytes(target, 200, JSON_TYPE, parts);
    return;
  }
  if (representation.mediaType === JSON_TYPE && !representation.pretty) {
    await sendConvertedJson(target, served, result, representation, metadata, clock);
    return;
  }
  const whole = await wholeList(target, served, result, representation, metadata, clock);
  const isProtobuf = representation.mediaType !== JSON_TYPE && !representation.pretty;
  const bytes =
    isProtobuf && representation.mediaType !== 'application/yaml'
      ? encodeProtobuf(whole)
      : encodeObject(whole, representation);
  await sendBytes(target, 200, representation.mediaType, [bytes]);
}

/**
 * How an item begins whose type is left out of a list, as Go's typed lists leave it: the list names it. Custom objects
 * keep theirs: undefined.
 */
function typedHead(served: ServedResource): Buffer | undefined {
  if (!served.hasProtobuf) return undefined;
  const head = JSON.stringify({ kind: served.info.kind, apiVersion: served.apiVersion });
  return Buffer.from(`${head.slice(0, -1)},`);
}

function withoutType({ kind: _kind, apiVersion: _apiVersion, ...rest }: KubeObject): object {
  return rest;
}

function listMetadata(result: ShownList): object {
  return {
    ...(result.revision === undefined ? {} : { resourceVersion: String(result.revision) }),
    ...(result.continueToken === '' ? {} : { continue: result.continueToken }),
    ...(result.remainingItemCount === undefined ? {} : { remainingItemCount: result.remainingItemCount }),
  };
}

/** Tables and metadata lists, made row by row with pauses. */
async function sendConvertedJson(
  target: SendTarget,
  served: ServedResource,
  result: ShownList,
  representation: Representation,
  metadata: object,
  clock: Clock,
): Promise<void> {
  const { head, member, item } = converter(target, served, representation, metadata, clock.now());
  const parts: Buffer[] = [Buffer.from(`${JSON.stringify(head).slice(0, -1)},"${member}":[`)];
  const pause = yieldEvery(clock);
  for (const [index, entry] of result.entries.entries()) {
    if (index > 0) parts.push(COMMA);
    parts.push(Buffer.from(stringifyJson(item(served.object(entry)))));
    await pause();
  }
  parts.push(END);
  await sendBytes(target, 200, JSON_TYPE, parts);
}

function converter(
  target: SendTarget,
  served: ServedResource,
  representation: Representation,
  metadata: object,
  now: number,
): { head: object; member: string; item: (object: KubeObject) => object } {
  const version = representation.metaVersion;
  const apiVersion = `meta.k8s.io/${version}`;
  if (representation.as === 'Table') {
    const columns = columnsOf(served);
    const include = includeObject(target.request.query);
    return {
      head: { kind: 'Table', apiVersion, metadata, columnDefinitions: columnDefinitions(columns) },
      member: 'rows',
      item: (object) => tableRow(columns, object, include, version, now),
    };
  }
  if (representation.as === '') {
    const head = { kind: served.listKind, apiVersion: served.apiVersion, metadata };
    return { head, member: 'items', item: served.hasProtobuf ? withoutType : (object) => object };
  }
  return {
    head: { kind: 'PartialObjectMetadataList', apiVersion, metadata },
    member: 'items',
    item: (object) => partialMetadata(object, version),
  };
}

async function wholeList(
  target: SendTarget,
  served: ServedResource,
  result: ShownList,
  representation: Representation,
  metadata: object,
  clock: Clock,
): Promise<{ kind?: string; apiVersion?: string }> {
  const { head, member, item } = converter(target, served, representation, metadata, clock.now());
  const items: object[] = [];
  const pause = yieldEvery(clock);
  for (const entry of result.entries) {
    items.push(item(served.object(entry)));
    await pause();
  }
  return { ...head, [member]: items };
}
