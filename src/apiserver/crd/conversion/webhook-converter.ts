import { decodeJson } from '../../../api/json/decode.ts';
import { encodeJson } from '../../../api/json/encode.ts';
import type { CustomResourceDefinition } from '../../../api/gen/types/apiextensions-v1.ts';
import { deepClone, isObject } from '../../../api/objects.ts';
import type { JsonObject } from '../../../api/objects.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { schemaForKind } from '../../../api/schema.ts';
import { SlipwayError } from '../../../base/errors.ts';
import { targetOf } from '../../admission/webhooks/hook.ts';
import { aggregateText, fieldErrorText } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { checkAnnotations } from '../../registry/object-meta.ts';
import { checkLabels } from '../../resources/validation/checks.ts';
import { failure } from '../../status-errors.ts';
import type { StatusError } from '../../status-errors.ts';
import type { WebhookClient, WebhookTarget } from '../../webhook-client/webhook-client.ts';

/** Converts objects between versions of a kind, each of them to `apiVersion`. Rejects with a Status. */
export interface Converter {
  convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]>;
}

const TIMEOUT_MS = 30_000;
/** Objects of one call together, as bytes of JSON: an answer may be somewhat larger. */
const MAX_CALL_BYTES = 8 * 1024 * 1024;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const GROUP = 'apiextensions.k8s.io';

/** v1beta1 has the same fields. */
const REVIEW = schemaForKind(GROUP, 'v1', 'ConversionReview');

interface Review {
  kind?: string;
  apiVersion?: string;
  response?: {
    uid?: string;
    convertedObjects?: unknown[];
    result?: { status?: string; message?: string };
  };
}

/** Mirrors apiextensions-apiserver pkg/apiserver/conversion/webhook_converter.go. */
export class WebhookConverter implements Converter {
  readonly #client: WebhookClient;
  readonly #uuid: () => string;
  readonly #target: WebhookTarget;
  readonly #version: string | undefined;

  constructor(crd: CustomResourceDefinition, client: WebhookClient, uuid: () => string) {
    const { webhook } = crd.spec.conversion ?? {};
    this.#client = client;
    this.#uuid = uuid;
    this.#target = targetOf({ clientConfig: webhook?.clientConfig ?? {} });
    this.#version = webhook?.conversionReviewVersions?.find((each) => each === 'v1' || each === 'v1beta1');
  }

  /** As few calls as the bytes allow; the objects are not changed. */
  async convert(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
    const converted: KubeObject[] = [];
    for (const batch of batches(objects)) converted.push(...(await this.#call(batch, apiVersion)));
    return converted;
  }

  async #call(objects: readonly KubeObject[], apiVersion: string): Promise<KubeObject[]> {
    const [first] = objects;
    if (!first) return [];
    const what = `conversion webhook for ${first.apiVersion ?? ''}, Kind=${first.kind ?? ''}`;
    const version = this.#version;
    if (version === undefined) throw failed('no supported conversion review versions');
    const uid = this.#uuid();
    const review = {
      kind: 'ConversionReview',
      apiVersion: `${GROUP}/${version}`,
      request: { uid, desiredAPIVersion: apiVersion, objects },
    };
    let answer: unknown[];
    try {
      const body = await this.#client.post(this.#target, {
        body: encodeJson(review),
        timeoutMs: TIMEOUT_MS,
        announceTimeout: true,
        userAgent: 'kube-apiserver-conversion',
        maxAnswerBytes: MAX_ANSWER_BYTES,
      });
      answer = convertedObjects(decodeJson(body, REVIEW).object, version, uid);
    } catch (error) {
      if (error instanceof SlipwayError) throw failed(`${what} failed: ${error.message}`, error);
      throw error;
    }
    if (answer.length !== objects.length) {
      throw failed(`${what} returned ${answer.length} objects, expected ${objects.length}`);
    }
    return objects.map((original, index) => checked(original, answer[index], apiVersion, what, index));
  }
}

function failed(message: string, cause?: unknown): StatusError {
  return failure(500, '', message, undefined, cause);
}

function* batches(objects: readonly KubeObject[]): Generator<KubeObject[]> {
  let batch: KubeObject[] = [];
  let bytes = 0;
  for (const object of objects) {
    const size = encodeJson(object).length;
    if (batch.length > 0 && bytes + size > MAX_CALL_BYTES) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(object);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}

function bad(message: string): SlipwayError {
  return new SlipwayError('E_WEBHOOK', message);
}

function convertedObjects(review: Review, version: string, uid: string): unknown[] {
  const { response } = review;
  if (version === 'v1') {
    const { kind = '', apiVersion = '' } = review;
    if (kind !== 'ConversionReview' || apiVersion !== `${GROUP}/v1`) {
      const got = `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`;
      throw bad(`expected webhook response of ${GROUP}/v1, Kind=ConversionReview, got ${got}`);
    }
  }
  if (!response) throw bad('no response provided');
  if (version === 'v1' && response.uid !== uid) {
    throw bad(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response.uid ?? '')}`);
  }
  const { status = '', message = '' } = response.result ?? {};
  if (status !== 'Success') {
    throw bad(message === '' ? `response.result.status was '${status}', not 'Success'` : message);
  }
  return response.convertedObjects ?? [];
}

/** A converted object must be the same object: only its labels and annotations of the metadata may differ. */
function checked(
  original: KubeObject,
  answer: unknown,
  apiVersion: string,
  what: string,
  index: number,
): KubeObject {
  const refuse = (why: string) => failed(`${what} returned invalid object at index ${index}: ${why}`);
  if (!isObject(answer)) throw refuse('it is no object');
  const converted = answer as KubeObject & JsonObject;
  if (converted.apiVersion !== apiVersion) {
    const got = converted.apiVersion ?? '';
    throw refuse(`invalid groupVersion (expected ${apiVersion}, received ${got})`);
  }
  if (converted.kind !== original.kind) {
    throw refuse(`invalid kind (expected ${original.kind}, received ${converted.kind ?? ''})`);
  }
  const invalid = (why: string) => failed(`${what} returned invalid object: ${why}`);
  const metadata: unknown = converted.metadata;
  const own = original.metadata ?? {};
  for (const [field, name] of [
    ['name', 'name'],
    ['namespace', 'namespace'],
    ['uid', 'UID'],
  ] as const) {
    const before = own[field] ?? '';
    const given = isObject(metadata) ? metadata[field] : undefined;
    const after = typeof given === 'string' ? given : '';
    if (before !== after) throw invalid(`must have the same ${name}: ${before} != ${after}`);
  }
  const meta = (why: string) => failed(`${what} returned invalid metadata: ${why}`);
  if (metadata === undefined) throw meta('missing metadata in converted object');
  if (!isObject(metadata)) throw meta(`invalid metadata of type ${goType(metadata)} in converted object`);
  converted.metadata = restored(own, metadata, meta);
  return converted;
}

function restored(
  original: NonNullable<KubeObject['metadata']>,
  answer: JsonObject,
  refuse: (why: string) => StatusError,
): NonNullable<KubeObject['metadata']> {
  const metadata = deepClone(original);
  for (const field of ['labels', 'annotations'] as const) {
    const map = answer[field];
    if (map === undefined || map === null) {
      delete metadata[field];
      continue;
    }
    if (!isObject(map)) {
      throw refuse(`invalid metadata.${field} of type ${goType(map)} in converted object`);
    }
    for (const [key, value] of Object.entries(map)) {
      if (typeof value === 'string') continue;
      throw refuse(`metadata.${field}[${key}] must be a string, but is ${goType(value)} in converted object`);
    }
    const strings = map as Record<string, string>;
    const errors: FieldError[] = [];
    if (field === 'labels') checkLabels(errors, 'metadata.labels', strings);
    else checkAnnotations(errors, 'metadata.annotation', strings);
    if (errors.length > 0) throw refuse(aggregateText(errors.map(fieldErrorText)));
    metadata[field] = strings;
  }
  return metadata;
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (isObject(value)) return 'map[string]interface {}';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int64' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  return value === null ? '<nil>' : 'string';
}
