import { SlipwayError } from '../../base/errors.ts';
import { strictDecodingMessage } from '../../api/json/decode.ts';
import type { Decoded } from '../../api/json/decode.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import type { JsonObject } from '../../api/objects.ts';
import { invalid } from '../field-error.ts';
import type { CustomKind } from '../custom-kind.ts';
import type { RequestContext } from '../request-context.ts';
import { badRequest, invalidObject, StatusError, unsupportedMediaType } from '../status-errors.ts';
import { bodyReading } from './body-reading.ts';
import { notOfKind, schemaOf, typeOf, unreadable } from './decode-built-in.ts';
import type { Typed } from './decode-built-in.ts';
import { JSON_TYPE, PROTOBUF_TYPE, YAML_TYPE } from '../respond/representation.ts';

const ACCEPTED = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];
const ACCEPTED_CUSTOM = [JSON_TYPE, YAML_TYPE];

/**
 * Reads the request's object in any of the three encodings, checks that it is what the path takes, and
 * treats unknown and repeated fields as `fieldValidation` says. Mirrors apiserver
 * pkg/endpoints/handlers/create.go and rest.go.
 */
export async function decodeBody(
  context: RequestContext,
  expected: ResourceInfo,
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  given?: Buffer,
  custom?: CustomKind,
): Promise<KubeObject> {
  const { http } = context;
  const type = mediaType(http.headers['content-type']);
  const accepted = custom ? ACCEPTED_CUSTOM : ACCEPTED;
  if (!accepted.includes(type)) throw unsupportedMediaType(accepted);
  const bytes = given ?? (await http.body());
  if (bytes.length === 0 && type !== PROTOBUF_TYPE) {
    // Go's decoder takes an empty body for an empty object of the expected kind.
    return { kind: expected.kind, apiVersion: apiVersionOf(expected) };
  }
  const { decoded, kind, apiVersion } = await decodeAs(type, bytes, expected, custom, http.signal);
  if (decoded.strictErrors.length > 0) {
    report(decoded.strictErrors, fieldValidation, expected, { kind, apiVersion }, context);
  }
  const object = decoded.object as KubeObject;
  object.kind = kind;
  object.apiVersion = apiVersion;
  context.witness?.requestObject(object);
  const isVersion = apiVersion === apiVersionOf(expected) || expected.kind === 'DeleteOptions';
  const problem =
    custom || (kind === expected.kind && isVersion)
      ? undefined
      : conversionProblem(kind, apiVersion, expected);
  if (problem !== undefined) throw notOfKind(kind, apiVersion, expected.kind, problem);
  if (!isVersion) {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${apiVersionOf(expected)})`,
    );
  }
  if (kind !== expected.kind && custom) {
    const wrong = invalid('kind', kind, `must be ${expected.kind}`);
    throw invalidObject({ group: expected.group, kind }, object.metadata?.name ?? '', [wrong]);
  }
  return object;
}

/** Why an object is no other version of the kind, in the words of upstream's scheme of types; undefined where it is. */
export function conversionProblem(
  kind: string,
  apiVersion: string,
  expected: ResourceInfo,
): string | undefined {
  if (kind === expected.kind && apiVersion === apiVersionOf(expected)) return undefined;
  if (!schemaOf(apiVersion, kind)) {
    const [shownKind, version] = [JSON.stringify(kind), JSON.stringify(apiVersion)];
    return `no kind ${shownKind} is registered for version ${version} in scheme "pkg/runtime/scheme.go:111"`;
  }
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  const isEvent = kind === 'Event' || kind === 'DeleteOptions';
  if (kind === expected.kind && (group === expected.group || isEvent)) return undefined;
  const from = `${apiVersion.slice(slash + 1)}.${kind}`;
  const to = `${expected.group === '' ? 'core' : expected.group.split('.')[0]}.${expected.kind}`;
  return `converting (${from}) to (${to}): unknown conversion`;
}

/** 'application/json' of 'application/json; charset=utf-8'; JSON where nothing is said. */
export function mediaType(header: string | undefined): string {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return type === '' || type === '*/*' ? JSON_TYPE : type;
}

async function decodeAs(
  type: string,
  bytes: Buffer,
  expected: ResourceInfo,
  custom: CustomKind | undefined,
  signal: AbortSignal,
): Promise<Typed> {
  if (!custom) return bodyReading.read('object', { type, bytes, expected: plainInfo(expected) }, signal);
  const fallback = { kind: expected.kind, apiVersion: apiVersionOf(expected) };
  try {
    if (type === YAML_TYPE) {
      const { value, duplicates } = await bodyReading.read('yaml', { bytes }, signal);
      return decodeCustom(value, duplicates, custom, fallback);
    }
    const { object, strictErrors } = await bodyReading.read('json', { bytes }, signal);
    return decodeCustom(object, strictErrors, custom, fallback);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (error instanceof SlipwayError) throw unreadable(error.message, bytes, expected);
    throw error;
  }
}

/** Without what a thread cannot be sent. */
function plainInfo({ group, version, resource, kind, namespaced }: ResourceInfo): ResourceInfo {
  return { group, version, resource, kind, namespaced };
}

/** Decodes an object of a custom kind; one of another kind is told so later. */
function decodeCustom(
  value: unknown,
  repeated: readonly string[],
  custom: CustomKind,
  fallback: Required<Pick<KubeObject, 'kind' | 'apiVersion'>>,
): Typed {
  const { kind, apiVersion } = typeOf(value ?? {}, fallback);
  const isOther = kind !== fallback.kind || apiVersion !== fallback.apiVersion;
  let decoded: Decoded;
  try {
    decoded = isOther ? { object: value as JsonObject, strictErrors: [] } : custom.decode(value);
  } catch (error) {
    if (error instanceof SlipwayError) throw notOfKind(kind, apiVersion, fallback.kind, error.message);
    throw error;
  }
  return { decoded: { ...decoded, strictErrors: [...repeated, ...decoded.strictErrors] }, kind, apiVersion };
}

function report(
  strictErrors: readonly string[],
  fieldValidation: 'Ignore' | 'Warn' | 'Strict',
  expected: ResourceInfo,
  said: { kind: string; apiVersion: string },
  context: RequestContext,
): void {
  if (fieldValidation === 'Ignore') return;
  if (fieldValidation === 'Strict') {
    throw notOfKind(said.kind, said.apiVersion, expected.kind, strictDecodingMessage(strictErrors));
  }
  for (const text of warningsOf(strictErrors)) context.warn(text);
}

/** One warning a complaint; YAML's come several in one error, a line each. */
export function warningsOf(strictErrors: readonly string[]): string[] {
  return strictErrors.flatMap((text) =>
    text.startsWith('yaml: unmarshal errors:\n')
      ? text
          .split('\n')
          .slice(1)
          .map((line) => line.trim())
      : [text],
  );
}
