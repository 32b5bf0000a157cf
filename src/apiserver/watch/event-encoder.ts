import { stringifyJson } from '../../api/json/encode.ts';
import { encodeProtobuf, encodeWatchFrame } from '../../api/protobuf/envelope.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import type { StatusBody } from '../status-errors.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import { partialMetadata } from '../respond/partial-metadata.ts';
import { JSON_TYPE, PROTOBUF_TYPE } from '../respond/representation.ts';
import type { Representation } from '../respond/representation.ts';
import { table } from '../respond/table.ts';
import type { IncludeObject } from '../respond/table.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';

export type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Turns events into the bytes of one watch stream. */
export interface EventEncoder {
  readonly contentType: string;
  /** Watchers with the same keys get the same bytes, which are made once; LEFT is a DELETED for who selects. */
  readonly keys: Readonly<Record<EventType | 'LEFT', string>>;
  event(type: EventType, entry: CacheEntry): Buffer;
  /** The same in pieces, the largest of them the cache's own bytes: many streams hold them once. */
  pieces(type: EventType, entry: CacheEntry): readonly Buffer[];
  /** `initialEnd` marks the end of the initial events. */
  bookmark(revision: number, initialEnd: boolean): Buffer;
  error(status: StatusBody): Buffer;
  /** Told after each event and bookmark: the first Table of a stream alone has the columns' definitions. */
  sent(): void;
}

const TAIL = Buffer.from('}\n');
const HEADS: Record<EventType, Buffer> = {
  ADDED: Buffer.from('{"type":"ADDED","object":'),
  MODIFIED: Buffer.from('{"type":"MODIFIED","object":'),
  DELETED: Buffer.from('{"type":"DELETED","object":'),
};
const END_ANNOTATION = 'k8s.io/initial-events-end';

export function eventEncoder(
  served: ServedResource,
  representation: Representation,
  include: IncludeObject,
  clock: Clock,
): EventEncoder {
  const { mediaType, as, metaVersion } = representation;
  const isProtobuf = mediaType === PROTOBUF_TYPE;
  let isFirst = true;
  const shape = (object: KubeObject): object => {
    if (as === 'Table') {
      const shown = tableOf(served, object, include, metaVersion, clock.now());
      return isFirst ? shown : { ...shown, columnDefinitions: null };
    }
    return as === '' ? object : partialMetadata(object, metaVersion);
  };
  const frame = (type: string, object: object): Buffer =>
    isProtobuf
      ? encodeWatchFrame(type, encodeProtobuf(object))
      : Buffer.from(`{"type":"${type}","object":${stringifyJson(object)}}\n`);
  const plainJson = as === '' && !isProtobuf;
  const form = `${served.apiVersion} ${mediaType} ${as} ${metaVersion} ${as === 'Table' ? include : ''}`;
  const keys = frameKeys(form);
  const firstKeys = as === 'Table' ? frameKeys(`${form} first`) : keys;
  const pieces = (type: EventType, entry: CacheEntry): readonly Buffer[] =>
    plainJson && served.isStoredForm(entry)
      ? [HEADS[type], entry.bytes, TAIL]
      : [frame(type, shape(served.object(entry)))];
  return {
    contentType: isProtobuf ? `${PROTOBUF_TYPE};stream=watch` : JSON_TYPE,
    get keys() {
      return isFirst ? firstKeys : keys;
    },
    sent: () => {
      isFirst = false;
    },
    pieces,
    event: (type, entry) => {
      const [first, ...others] = pieces(type, entry);
      return others.length === 0 ? first! : Buffer.concat([first!, ...others]);
    },
    bookmark: (revision, initialEnd) =>
      frame('BOOKMARK', shape(bookmarkObject(served, revision, initialEnd))),
    error: (status) => frame('ERROR', status),
  };
}

const interned = new Map<string, EventEncoder['keys']>();

/** The same strings for all watchers of a form, so that looking one up compares pointers. */
function frameKeys(form: string): EventEncoder['keys'] {
  let keys = interned.get(form);
  if (!keys) {
    const of = (type: string) => `${form} ${type}`;
    keys = { ADDED: of('ADDED'), MODIFIED: of('MODIFIED'), DELETED: of('DELETED'), LEFT: of('LEFT') };
    interned.set(form, keys);
  }
  return keys;
}

function bookmarkObject(served: ServedResource, revision: number, initialEnd: boolean): KubeObject {
  const object: KubeObject = {
    kind: served.info.kind,
    apiVersion: served.apiVersion,
    metadata: { resourceVersion: String(revision) },
  };
  if (initialEnd && object.metadata) object.metadata.annotations = { [END_ANNOTATION]: 'true' };
  return object;
}

function tableOf(
  served: ServedResource,
  object: KubeObject,
  include: IncludeObject,
  metaVersion: string,
  now: number,
): object {
  const metadata = { resourceVersion: object.metadata?.resourceVersion ?? '' };
  // A bookmark has no name and no row of its own to show, but clients read its version from the row.
  return table(served, [object], metadata, include, metaVersion, now);
}
