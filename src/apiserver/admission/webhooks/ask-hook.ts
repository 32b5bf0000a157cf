import type { Clock } from '../../../base/clock.ts';
import { SlipwayError } from '../../../base/errors.ts';
import { encodeJson } from '../../../api/json/encode.ts';
import type { ResourceInfo } from '../../../api/resource.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import {
  badRequest,
  failure,
  forbiddenRequest,
  internalError,
  requestTimeout,
  StatusError,
} from '../../status-errors.ts';
import type { Status } from '../../../api/gen/types/meta-v1.ts';
import { CallError } from '../../webhook-client/call-error.ts';
import type { WebhookClient } from '../../webhook-client/webhook-client.ts';
import { matchResources } from '../match-resources.ts';
import type { MatchEnvironment } from '../match-resources.ts';
import {
  admissionReview,
  InvalidAnswer,
  isDryRun,
  readReviewAnswer,
  reviewVersion,
} from './admission-review.ts';
import type { ReviewAnswer, ReviewedRequest } from './admission-review.ts';
import type { HookCall, HookMetrics } from './hook-metrics.ts';
import type { Hook } from './hook.ts';

/** An answer repeats no object, but its patch may be as large as one, in base64. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 10_000;

export interface HookEnvironment extends MatchEnvironment {
  readonly client: WebhookClient;
  readonly uuid: () => string;
  readonly clock: Clock;
  readonly metrics: Pick<HookMetrics, 'observe'>;
}

/** The webhook could not be asked, or its answer makes no sense: its failure policy decides what that means. */
export class HookFailure extends SlipwayError {
  constructor(hook: Hook, why: string, cause?: unknown) {
    super('E_WEBHOOK', `failed calling webhook ${JSON.stringify(hook.webhook.name)}: ${why}`, { cause });
  }
}

/** Whether a webhook is for a request by its rules and selectors, and under which resource. */
export function matchHook(
  hook: Hook,
  attributes: AdmissionAttributes,
  environment: MatchEnvironment,
): Promise<ResourceInfo | undefined> {
  const { rules = [], namespaceSelector, objectSelector, matchPolicy } = hook.webhook;
  if (rules.length === 0) return Promise.resolve(undefined);
  return matchResources(
    {
      resourceRules: rules,
      ...(namespaceSelector ? { namespaceSelector } : {}),
      ...(objectSelector ? { objectSelector } : {}),
      ...(matchPolicy === undefined ? {} : { matchPolicy }),
    },
    attributes,
    environment,
  );
}

/** Whether its conditions hold. Rejects with a 403 where they cannot be evaluated and the webhook may not be skipped. */
export async function conditionsHold(hook: Hook, request: ReviewedRequest): Promise<boolean> {
  if (!hook.conditions) return true;
  const answer = await hook.conditions.matches(request);
  if (answer.result !== 'error') return answer.result === 'match';
  if (hook.webhook.failurePolicy === 'Ignore') return false;
  const { resource, name } = request.attributes;
  throw forbiddenRequest({ group: resource.group, resource: resource.resource }, name, answer.message);
}

/** Asks a webhook, as below, and counts how it went. */
export async function askHook(
  hook: Hook,
  request: ReviewedRequest,
  isMutating: boolean,
  environment: HookEnvironment,
): Promise<ReviewAnswer> {
  const { clock, metrics } = environment;
  const { name, failurePolicy } = hook.webhook;
  const startMs = clock.monotonicMs();
  const observe = (code: number, refusedBy: HookCall['refusedBy'], failedOpen = false) =>
    metrics.observe({
      name,
      type: isMutating ? 'admit' : 'validating',
      operation: request.attributes.operation,
      code,
      refusedBy,
      failedOpen,
      seconds: (clock.monotonicMs() - startMs) / 1000,
    });
  try {
    const answer = await ask(hook, request, isMutating, environment);
    observe(200, undefined);
    return answer;
  } catch (error) {
    const failedOpen = error instanceof HookFailure && failurePolicy === 'Ignore';
    if (failedOpen) observe(503, undefined, true);
    else if (error instanceof HookFailure) observe(503, 'calling_webhook_error');
    else if (error instanceof StatusError) observe(error.httpCode, 'no_error');
    else observe(0, 'apiserver_internal_error');
    throw error;
  }
}

/**
 * Asks a webhook, and hands its warnings and annotations on. Rejects with HookFailure where it could not be
 * asked, and with a Status where it denies. Mirrors callHook of apiserver
 * pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go.
 */
async function ask(
  hook: Hook,
  request: ReviewedRequest,
  isMutating: boolean,
  { client, uuid }: HookEnvironment,
): Promise<ReviewAnswer> {
  const { webhook } = hook;
  const { context } = request.attributes;
  if (isDryRun(request.attributes) && !['None', 'NoneOnDryRun'].includes(webhook.sideEffects ?? '')) {
    throw badRequest(`admission webhook ${JSON.stringify(webhook.name)} does not support dry run`);
  }
  const version = reviewVersion(webhook.admissionReviewVersions ?? []);
  if (version === undefined) {
    const why = 'webhook does not accept known AdmissionReview versions (v1, v1beta1)';
    throw new HookFailure(hook, `could not create admission objects: ${why}`);
  }
  const { caPem = '' } = hook.target;
  if (caPem.trim() !== '' && !caPem.includes('-----BEGIN CERTIFICATE-----')) {
    const why = 'unable to load root certificates: unable to parse bytes as PEM block';
    throw new HookFailure(hook, `could not get REST client: ${why}`);
  }
  const uid = uuid();
  let answer: ReviewAnswer;
  try {
    const body = await client.post(hook.target, {
      body: encodeJson(admissionReview(uid, version, request)),
      timeoutMs: webhook.timeoutSeconds === undefined ? DEFAULT_TIMEOUT_MS : webhook.timeoutSeconds * 1000,
      announceTimeout: true,
      signal: context.http.signal,
      userAgent: 'kube-apiserver-admission',
      maxAnswerBytes: MAX_ANSWER_BYTES,
    });
    answer = readReviewAnswer(body, uid, version, isMutating);
  } catch (error) {
    if (context.http.signal.aborted) throw outOfTime(context.http.signal);
    if (error instanceof InvalidAnswer) {
      throw new HookFailure(hook, `received invalid webhook response: ${error.message}`, error);
    }
    if (error instanceof CallError || error instanceof SlipwayError) {
      throw new HookFailure(hook, `failed to call webhook: ${error.message}`, error);
    }
    throw error;
  }
  for (const [key, value] of Object.entries(answer.auditAnnotations)) {
    context.annotate(`${webhook.name}/${key}`, value);
  }
  for (const text of answer.warnings) context.warn(text);
  if (!answer.allowed) throw denial(webhook.name, answer.status);
  return answer;
}

function outOfTime(signal: AbortSignal): unknown {
  const reason: unknown = signal.reason;
  if (reason instanceof StatusError) return reason;
  return requestTimeout('request did not complete within requested timeout');
}

/** Mirrors ToStatusErr of apiserver pkg/admission/plugin/webhook/errors/statuserror.go. */
function denial(name: string, status: Status | undefined): StatusError {
  const { message, reason, details, metadata } = status ?? {};
  const code = Math.max(status?.code ?? 0, 400);
  const by = `admission webhook ${JSON.stringify(name)} denied the request`;
  const text = message ? `${by}: ${message}` : reason ? `${by}: ${reason}` : `${by} without explanation`;
  const error = failure(code, reason ?? '', text, details);
  if (metadata) error.status.metadata = metadata;
  return error;
}

/** What a failure that may not be ignored is answered with. */
export function failClosed(error: HookFailure): StatusError {
  return internalError(error.message, error);
}
