import type { KubeObject } from '../../api/resource.ts';
import { encodeProtobuf } from '../../api/protobuf/envelope.ts';
import { badRequest } from '../status-errors.ts';
import type { ServedResource } from '../registry/served-resource.ts';
import type { CacheEntry } from '../watch-cache/cache-entry.ts';
import { partialMetadata } from './partial-metadata.ts';
import { JSON_TYPE, PROTOBUF_TYPE } from './representation.ts';
import type { Representation } from './representation.ts';
import { encodeObject, sendBytes } from './send.ts';
import type { SendTarget } from './send.ts';
import { table } from './table.ts';
import type { IncludeObject } from './table.ts';

/** Answers with one object of a stored kind: its cached bytes where the client wants plain JSON. */
export async function sendStored(
  target: SendTarget,
  served: ServedResource,
  status: number,
  result: { object: KubeObject; entry: CacheEntry | undefined },
  representation: Representation,
  now: number,
): Promise<void> {
  const { object, entry } = result;
  if (representation.as === '') {
    const plain = representation.mediaType === JSON_TYPE && !representation.pretty;
    let bytes: Buffer;
    if (plain && entry) bytes = served.json(entry);
    else if (representation.mediaType === PROTOBUF_TYPE) bytes = encodeProtobuf(object);
    else bytes = encodeObject(object, representation);
    await sendBytes(target, status, representation.mediaType, [bytes]);
    return;
  }
  const shown =
    representation.as === 'Table'
      ? table(
          served,
          [object],
          { resourceVersion: object.metadata?.resourceVersion ?? '' },
          includeObject(target.request.query),
          representation.metaVersion,
          now,
        )
      : partialMetadata(object, representation.metaVersion);
  await sendBytes(target, status, representation.mediaType, [encodeObject(shown, representation)]);
}

export function includeObject(query: URLSearchParams): IncludeObject {
  const asked = query.get('includeObject') ?? '';
  if (asked === '') return 'Metadata';
  if (asked === 'None' || asked === 'Metadata' || asked === 'Object') return asked;
  throw badRequest(
    `includeObject: Invalid value: ${JSON.stringify(asked)}: must be 'Metadata', 'Object', 'None', or empty`,
  );
}
