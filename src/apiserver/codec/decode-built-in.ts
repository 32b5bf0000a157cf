import { SlipwayError } from '../../base/errors.ts';
import { decodeJson, decodeValue } from '../../api/json/decode.ts';
import type { Decoded } from '../../api/json/decode.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import { decodeProtobuf } from '../../api/protobuf/envelope.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import type { MessageSchema } from '../../api/schema.ts';
import { PROTOBUF_TYPE, YAML_TYPE } from '../respond/representation.ts';
import { badRequest, StatusError } from '../status-errors.ts';

export interface Typed {
  decoded: Decoded;
  kind: string;
  apiVersion: string;
}

/** An object of a kind of ours, in any of the three encodings. Throws a StatusError. */
export function decodeBuiltIn(type: string, bytes: Buffer, expected: ResourceInfo): Typed {
  const fallback = { kind: expected.kind, apiVersion: apiVersionOf(expected) };
  return withOwnWords(bytes, expected, () => {
    if (type === PROTOBUF_TYPE) {
      const object = decodeProtobuf(bytes, fallback) as KubeObject;
      const kind = object.kind ?? fallback.kind;
      return {
        decoded: { object: { ...object }, strictErrors: [] },
        kind,
        apiVersion: object.apiVersion ?? '',
      };
    }
    if (type === YAML_TYPE) return decodeYaml(bytes, fallback);
    return decodeJsonBody(bytes, expected, fallback);
  });
}

/** Says of bytes that cannot be read what upstream says. */
function withOwnWords<T>(bytes: Buffer, expected: ResourceInfo, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (error instanceof StatusError) throw error;
    if (error instanceof SlipwayError) throw unreadable(error.message, bytes, expected);
    throw error;
  }
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
    // What nests too deeply is not parsed for it: the platform's parser would, at the price of all of its levels.
    const said = isTooDeep(error) ? undefined : saidType(bytes);
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

export function typeOf(
  object: KubeObject,
  fallback: { kind: string; apiVersion: string },
): { kind: string; apiVersion: string } {
  const kind = typeof object.kind === 'string' && object.kind !== '' ? object.kind : fallback.kind;
  const version = object.apiVersion;
  const apiVersion = typeof version === 'string' && version !== '' ? version : fallback.apiVersion;
  return { kind, apiVersion };
}

function isTooDeep(error: unknown): boolean {
  return error instanceof SlipwayError && error.message.endsWith('exceeded max depth');
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

export function notOfKind(kind: string, apiVersion: string, expected: string, why: string): StatusError {
  const version = apiVersion.slice(apiVersion.indexOf('/') + 1);
  return badRequest(
    `${kind} in version ${JSON.stringify(version)} cannot be handled as a ${expected}: ${why}`,
  );
}

export function unreadable(why: string, bytes: Buffer, expected: ResourceInfo): StatusError {
  const summary = bytes.subarray(0, 30).toString('latin1');
  return badRequest(
    `the object provided is unrecognized (must be of type ${expected.kind}): ${why} (${bytes.length > 30 ? `${summary} ...` : summary})`,
  );
}
