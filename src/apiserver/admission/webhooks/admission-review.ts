import type { AdmissionResponse, AdmissionReview } from '../../../api/gen/types/admission-v1.ts';
import type { JsonObject } from '../../../api/objects.ts';
import { decodeJson } from '../../../api/json/decode.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import { schemaForKind } from '../../../api/schema.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import type { Status } from '../../../api/gen/types/meta-v1.ts';
import { CallError } from '../../webhook-client/call-error.ts';

/** A request as a webhook is to see it. */
export interface ReviewedRequest {
  readonly attributes: AdmissionAttributes;
  /** The resource that a rule of the webhook names. */
  readonly matched: ResourceInfo;
  /** In the version of `matched`. */
  readonly object: KubeObject | undefined;
  readonly oldObject: KubeObject | undefined;
}

export interface ReviewAnswer {
  allowed: boolean;
  status: Status | undefined;
  /** The JSON patch as text. */
  patch: string;
  patchType: string;
  warnings: string[];
  auditAnnotations: Record<string, string>;
}

/** 'apps/v1' in its parts; the core group has no slash. */
function parseApiVersion(text: string): { group: string; version: string } {
  const slash = text.indexOf('/');
  return { group: text.slice(0, Math.max(slash, 0)), version: text.slice(slash + 1) };
}

const GROUP = 'admission.k8s.io';
const KNOWN_VERSIONS = ['v1', 'v1beta1'];

/** The newest version of AdmissionReview that both sides know; in the webhook's order. */
export function reviewVersion(versions: readonly string[]): string | undefined {
  return versions.find((version) => KNOWN_VERSIONS.includes(version));
}

export function isDryRun({ options, context }: AdmissionAttributes): boolean {
  const asked = (options as { dryRun?: string[] } | undefined)?.dryRun ?? [];
  return context.dryRun || asked.length > 0;
}

/** Mirrors apiserver pkg/admission/plugin/webhook/request/admissionreview.go. */
export function admissionReview(uid: string, version: string, request: ReviewedRequest): JsonObject {
  const { attributes, matched, object, oldObject } = request;
  const { resource, subresource, operation, options, name, context } = attributes;
  const own = kindOf(attributes);
  // Where the kind is not the resource's (Scale, Binding …) it is the same in every version.
  const shown = own.kind === resource.kind && own.group === resource.group ? kindFields(matched) : own;
  const { user } = context;
  const isNamespace = resource.group === '' && resource.resource === 'namespaces';
  const namespace = attributes.namespace === '' && isNamespace ? name : attributes.namespace;
  return {
    kind: 'AdmissionReview',
    apiVersion: `${GROUP}/${version}`,
    request: {
      uid,
      kind: shown,
      resource: resourceFields(matched),
      ...(subresource === '' ? {} : { subResource: subresource }),
      requestKind: own,
      requestResource: resourceFields(resource),
      ...(subresource === '' ? {} : { requestSubResource: subresource }),
      ...(name === '' ? {} : { name }),
      ...(namespace === '' ? {} : { namespace }),
      operation,
      userInfo: {
        username: user.name,
        ...(user.uid ? { uid: user.uid } : {}),
        ...(user.groups.length > 0 ? { groups: user.groups } : {}),
        ...(Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
      },
      object: object ?? null,
      oldObject: oldObject ?? null,
      dryRun: isDryRun(attributes),
      options: options ?? null,
    },
  };
}

function kindFields({ group, version, kind }: { group: string; version: string; kind: string }) {
  return { group, version, kind };
}

function resourceFields({ group, version, resource }: ResourceInfo) {
  return { group, version, resource };
}

function kindOf({ object, oldObject, resource, subresource }: AdmissionAttributes) {
  const shown = object ?? oldObject;
  if (subresource === '' || !shown?.kind) return kindFields(resource);
  return { ...parseApiVersion(shown.apiVersion ?? ''), kind: shown.kind };
}

/** Reads and checks an answer; throws a CallError in upstream's words. */
export function readReviewAnswer(
  body: Buffer,
  uid: string,
  version: string,
  isMutating: boolean,
): ReviewAnswer {
  const review = parse(body, version);
  const { response } = review;
  if (!response) throw new InvalidAnswer('webhook response was absent');
  const { patch = '', patchType } = response;
  if (version === 'v1') {
    checkV1(review, response, uid);
    checkPatch(patch, patchType, isMutating);
  }
  const type = version === 'v1' ? (patchType ?? '') : patch === '' ? '' : 'JSONPatch';
  return {
    allowed: response.allowed ?? false,
    status: response.status,
    patch: isMutating ? Buffer.from(patch, 'base64').toString('utf8') : '',
    patchType: type,
    warnings: response.warnings ?? [],
    auditAnnotations: response.auditAnnotations ?? {},
  };
}

/** What a webhook answered makes no sense. */
export class InvalidAnswer extends CallError {}

function parse(body: Buffer, version: string): AdmissionReview {
  if (body.length === 0) {
    throw new CallError('0-length response with status code: 200 and content type: application/json');
  }
  const review = decode(body);
  const { kind, apiVersion } = review;
  if (kind === undefined && apiVersion === undefined) return review;
  if (kind === 'AdmissionReview' && apiVersion === `${GROUP}/${version}`) return review;
  const known = KNOWN_TYPES[`${apiVersion} ${kind}`];
  throw new CallError(
    known === undefined
      ? `no kind ${JSON.stringify(kind ?? '')} is registered for version ${JSON.stringify(apiVersion ?? '')} in scheme "pkg/runtime/scheme.go:111"`
      : `converting (${known}) to (${version}.AdmissionReview): unknown conversion`,
  );
}

/** What upstream's decoder of answers knows beside what it wants. */
const KNOWN_TYPES: Readonly<Record<string, string>> = {
  'v1 Status': 'v1.Status',
  [`${GROUP}/v1 AdmissionReview`]: 'v1.AdmissionReview',
  [`${GROUP}/v1beta1 AdmissionReview`]: 'v1beta1.AdmissionReview',
};

function decode(body: Buffer): AdmissionReview {
  // Upstream takes what does not begin as JSON for YAML, and text is a string in YAML.
  const text = body.toString('utf8').trimStart();
  const json = text.startsWith('{') || text.startsWith('[') ? body : Buffer.from(JSON.stringify(text));
  // v1beta1 has the same fields.
  return decodeJson(json, schemaForKind(GROUP, 'v1', 'AdmissionReview')).object;
}

function checkV1(review: AdmissionReview, response: AdmissionResponse, uid: string): void {
  if (response.uid !== uid) {
    const got = JSON.stringify(response.uid ?? '');
    throw new InvalidAnswer(`expected response.uid=${JSON.stringify(uid)}, got ${got}`);
  }
  const { apiVersion, kind } = review;
  if (apiVersion === `${GROUP}/v1` && kind === 'AdmissionReview') return;
  const { group, version } = parseApiVersion(apiVersion ?? '');
  throw new InvalidAnswer(
    `expected webhook response of ${GROUP}/v1, Kind=AdmissionReview, got ${group}/${version}, Kind=${kind ?? ''}`,
  );
}

function checkPatch(patch: string, patchType: string | undefined, isMutating: boolean): void {
  if (!isMutating) {
    if (patch !== '') throw new InvalidAnswer('validating webhook may not return response.patch');
    if (patchType !== undefined) {
      throw new InvalidAnswer('validating webhook may not return response.patchType');
    }
    return;
  }
  if (patch !== '' && patchType === undefined) {
    throw new InvalidAnswer('webhook returned response.patch but not response.patchType');
  }
  if (patch === '' && patchType !== undefined) {
    throw new InvalidAnswer('webhook returned response.patchType but not response.patch');
  }
  if (patchType === '') throw new InvalidAnswer('webhook returned invalid response.patchType of ""');
}
