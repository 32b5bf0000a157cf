import { SlipwayError } from '../../base/errors.ts';
import { decodeJson, decodeValue, strictDecodingMessage } from '../../api/json/decode.ts';
import type { Decoded } from '../../api/json/decode.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import { decodeProtobuf } from '../../api/protobuf/envelope.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import type { MessageSchema } from '../../api/schema.ts';
import type { JsonObject } from '../../api/objects.ts';
import { invalid } from '../field-error.ts';
import type { CustomKind } from '../custom-kind.ts';
import type { RequestContext } from '../request-context.ts';
import { badRequest, invalidObject, StatusError, unsupportedMediaType } from '../status-errors.ts';
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
  const { decoded, kind, apiVersion } = decodeAs(type, bytes, expected, custom);
  if (decoded.strictErrors.length > 0) {
    report(decoded.strictErrors, fieldValidation, expected, { kind, apiVersion }, context);
  }
  const object = decoded.object as KubeObject;
  object.kind = kind;
  object.apiVersion = apiVersion;
  context.witness?.requestObject(object);
  if (apiVersion !== apiVersionOf(expected) && expected.kind !== 'DeleteOptions') {
    throw badRequest(
      `the API version in the data (${apiVersion}) does not match the expected API version (${apiVersionOf(expected)})`,
    );
  }
  if (kind !== expected.kind && custom) {
    const wrong = invalid('kind', kind, `must be ${expected.kind}`);
    throw invalidObject({ group: expected.group, kind }, object.metadata?.name ?? '', [wrong]);
  }
  if (kind !== expected.kind)
    throw notOfKind(kind, apiVersion, expected.kind, 'converting to the kind failed');
  return object;
}

/** 'application/json' of 'application/json; charset=utf-8'; JSON where nothing is said. */
export function mediaType(header: string | undefined): string {
  const type = (header ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  return type === '' || type === '*/*' ? JSON_TYPE : type;
}

interface Typed {
  decoded: Decoded;
  kind: string;
  apiVersion: string;
}

function decodeAs(
  type: string,
  bytes: Buffer,
  expected: ResourceInfo,
  custom: CustomKind | undefined,
): Typed {
  const fallback = { kind: expected.kind, apiVersion: apiVersionOf(expected) };
  try {
    if (type === PROTOBUF_TYPE) {
      const object = decodeProtobuf(bytes, fallback) as KubeObject;
      const kind = object.kind ?? fallback.kind;
      return {
        decoded: { object: { ...object }, strictErrors: [] },
        kind,
        apiVersion: object.apiVersion ?? '',
      };
    }
    if (custom) return decodeCustom(type, bytes, custom, fallback);
    if (type === YAML_TYPE) return decodeYaml(bytes, fallback);
    return decodeJsonBody(bytes, expected, fallback);
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (error instanceof SlipwayError) throw unreadable(error.message, bytes, expected);
    throw error;
  }
}

/** Decodes an object of a custom kind; one of another kind is told so later. */
function decodeCustom(
  type: string,
  bytes: Buffer,
  custom: CustomKind,
  fallback: Required<Pick<KubeObject, 'kind' | 'apiVersion'>>,
): Typed {
  let value: unknown;
  let repeated: readonly string[];
  if (type === YAML_TYPE) ({ value, duplicates: repeated } = loadYaml(bytes.toString()));
  else ({ object: value, strictErrors: repeated } = decodeJson(bytes, undefined));
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

/** Decodes with the expected kind's schema, which is nearly always right; another kind is found by its name. */
function decodeJsonBody(
  bytes: Buffer,
  expected: ResourceInfo,
  fallback: Required<Pick<KubeObject, 'kind' | 'apiVersion'>>,
): Typed {
  const schema = schemaForKind(expected.group, expected.version, expected.kind);
  try {
    const decoded = decodeJson(bytes, schema);
    const { kind, apiVersion } = typeOf(decoded.object, fallback);
    return { decoded, kind, apiVersion };
  } catch (error) {
    // The error's wording depends on the kind that the body says it is.
    const said = saidType(bytes);
    if (error instanceof SlipwayError && said) {
      throw notOfKind(said.kind, said.apiVersion, expected.kind, error.message);
    }
    throw error;
  }
}

function decodeYaml(bytes: Buffer, fallback: { kind: string; apiVersion: string }): Typed {
  const { value, duplicates } = loadYaml(bytes.toString());
  const { kind, apiVersion } = typeOf(value ?? {}, fallback);
  try {
    const decoded = decodeValue(value, schemaOf(apiVersion, kind));
    const strictErrors = [...duplicates, ...decoded.strictErrors];
    return { decoded: { object: decoded.object, strictErrors }, kind, apiVersion };
  } catch (error) {
    if (error instanceof SlipwayError) throw notOfKind(kind, apiVersion, fallback.kind, error.message);
    throw error;
  }
}

export function schemaOf(apiVersion: string, kind: string): MessageSchema | undefined {
  const slash = apiVersion.indexOf('/');
  const group = slash < 0 ? '' : apiVersion.slice(0, slash);
  return schemaForKind(group, apiVersion.slice(slash + 1), kind);
}

function typeOf(
  object: KubeObject,
  fallback: { kind: string; apiVersion: string },
): { kind: string; apiVersion: string } {
  const kind = typeof object.kind === 'string' && object.kind !== '' ? object.kind : fallback.kind;
  const version = object.apiVersion;
  const apiVersion = typeof version === 'string' && version !== '' ? version : fallback.apiVersion;
  return { kind, apiVersion };
}

/** What kind a body that does not decode says it is. */
function saidType(bytes: Buffer): { kind: string; apiVersion: string } | undefined {
  try {
    const value = JSON.parse(bytes.toString()) as KubeObject;
    if (typeof value?.kind !== 'string' || value.kind === '') return undefined;
    return { kind: value.kind, apiVersion: typeof value.apiVersion === 'string' ? value.apiVersion : '' };
  } catch {
    return undefined;
  }
}

function notOfKind(kind: string, apiVersion: string, expected: string, why: string): StatusError {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  return badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected}: ${why}`,
  );
}

function unreadable(why: string, bytes: Buffer, expected: ResourceInfo): StatusError {
  const summary = bytes.subarray(0, 30).toString('latin1');
  return badRequest(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${bytes.length > 30 ? `${summary} ...` : summary})`,
  );
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
