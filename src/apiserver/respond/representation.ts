import { notAcceptable } from '../status-errors.ts';
import { isTrue } from '../http/request-info.ts';
import type { ApiRequest } from '../request-context.ts';

export const JSON_TYPE = 'application/json';
export const YAML_TYPE = 'application/yaml';
export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';

/** How the client wants its answer. */
export interface Representation {
  mediaType: typeof JSON_TYPE | typeof YAML_TYPE | typeof PROTOBUF_TYPE;
  /** '' is the object itself. */
  as: '' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList';
  /** Version of meta.k8s.io for the forms of `as`. */
  metaVersion: 'v1' | 'v1beta1';
  pretty: boolean;
}

export interface MediaRange {
  type: string;
  params: Map<string, string>;
  q: number;
}

/** An Accept header's ranges, the most wanted first; of equal ones the first named. */
export function parseAccept(header: string): MediaRange[] {
  const ranges: MediaRange[] = [];
  for (const part of header.split(',')) {
    const [type = '', ...rest] = part.split(';').map((piece) => piece.trim());
    if (type === '') continue;
    const params = new Map<string, string>();
    for (const piece of rest) {
      const equals = piece.indexOf('=');
      if (equals > 0) params.set(piece.slice(0, equals).toLowerCase(), piece.slice(equals + 1));
    }
    const q = Number(params.get('q') ?? '1');
    if (q > 0) ranges.push({ type: type.toLowerCase(), params, q });
  }
  return ranges.sort((a, b) => b.q - a.q);
}

export interface Offer {
  protobuf: boolean;
  /** Table and PartialObjectMetadata(List) that the answer can take; none for kinds that are never stored. */
  as: ReadonlyArray<Representation['as']>;
}

/**
 * Chooses among what the client accepts; 406 where nothing fits. Mirrors apiserver
 * pkg/endpoints/handlers/negotiation/negotiate.go.
 */
export function negotiate(request: ApiRequest, offer: Offer): Representation {
  const accept = request.headers.accept ?? '';
  const pretty = wantsPretty(request);
  const ranges = accept === '' ? parseAccept('*/*') : parseAccept(accept);
  for (const range of ranges) {
    const mediaType = serve(range.type, offer.protobuf);
    if (!mediaType) continue;
    const as = range.params.get('as') ?? '';
    if (as === '') return { mediaType, as: '', metaVersion: 'v1', pretty };
    const version = range.params.get('v') ?? 'v1';
    if (range.params.get('g') !== 'meta.k8s.io' || (version !== 'v1' && version !== 'v1beta1')) continue;
    if (!(offer.as as readonly string[]).includes(as)) continue;
    // A Table's cells are arbitrary JSON and have no protobuf form.
    if (as === 'Table' && mediaType === PROTOBUF_TYPE) continue;
    return { mediaType, as: as as Representation['as'], metaVersion: version, pretty };
  }
  throw notAcceptable(offer.protobuf ? [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE] : [JSON_TYPE, YAML_TYPE]);
}

function serve(type: string, protobuf: boolean): Representation['mediaType'] | undefined {
  if (type === '*/*' || type === 'application/*' || type === JSON_TYPE) return JSON_TYPE;
  if (type === YAML_TYPE || type === 'application/x-yaml' || type === 'text/yaml') return YAML_TYPE;
  if (type === PROTOBUF_TYPE && protobuf) return PROTOBUF_TYPE;
  return undefined;
}

/** `?pretty`, or a person with a browser, curl or wget. */
function wantsPretty(request: ApiRequest): boolean {
  const asked = request.query.get('pretty');
  if (asked !== null) return isTrue(asked);
  return /^(curl|Wget|Mozilla\/5\.0)/.test(request.headers['user-agent'] ?? '');
}
