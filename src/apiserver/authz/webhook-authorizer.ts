import { dynamicValue } from '../../cel/json-values.ts';
import * as t from '../../cel/types.ts';
import { parseFieldSelector } from '../../api/field-selector.ts';
import { parseLabelSelector } from '../../api/label-selector.ts';
import type { SubjectAccessReview } from '../../api/gen/types/authorization-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { AuthorizationAttributes, AuthorizationDecision, Authorizer } from '../authorization.ts';
import { BASE_ENVIRONMENT, PER_CALL_LIMIT } from '../cel/base-environment.ts';
import { compileExpression } from '../cel/expressions.ts';
import { ExpiringMap } from '../webhook-client/expiring-map.ts';
import { askReview } from '../webhook-client/review.ts';
import type { WebhookClient, WebhookTarget } from '../webhook-client/webhook-client.ts';

export interface AuthorizationWebhookOptions {
  target: WebhookTarget;
  /** Of authorization.k8s.io. Default v1. */
  version?: 'v1' | 'v1beta1';
  /** Default 5 minutes. */
  authorizedTtlMs?: number;
  /** Default 30 seconds. */
  unauthorizedTtlMs?: number;
  /** Default 30 seconds. */
  timeoutMs?: number;
  /** What an outage means. Default 'noOpinion': others decide. */
  onFailure?: 'noOpinion' | 'deny';
  /** Expressions over `request`, a SubjectAccessReviewSpec: where one is false the webhook is not asked. */
  matchConditions?: readonly string[];
}

const MAX_CACHED = 8192;
/** Upstream remembers nothing that is this long: it would be an attack on its memory. */
const MAX_CACHED_BYTES = 10_000;
const ENVIRONMENT = BASE_ENVIRONMENT.extend({ variables: { request: t.DYN } });

type Matcher = (spec: object) => boolean;

/** Asks another server what someone may. Mirrors apiserver plugin/pkg/authorizer/webhook/webhook.go. */
export class WebhookAuthorizer implements Authorizer {
  readonly #options: AuthorizationWebhookOptions;
  readonly #deps: { client: WebhookClient; clock: Clock; log: Logger };
  readonly #cache: ExpiringMap<NonNullable<SubjectAccessReview['status']>>;
  readonly #matchers: Matcher[];

  constructor(
    options: AuthorizationWebhookOptions,
    deps: { client: WebhookClient; clock: Clock; log: Logger },
  ) {
    this.#options = options;
    this.#deps = deps;
    this.#cache = new ExpiringMap(deps.clock, MAX_CACHED);
    this.#matchers = (options.matchConditions ?? []).map(matcherOf);
  }

  async authorize(attributes: AuthorizationAttributes): Promise<AuthorizationDecision> {
    const { onFailure = 'noOpinion' } = this.#options;
    const spec = reviewSpec(attributes);
    try {
      if (!this.#matches(spec)) return { decision: 'noOpinion', reason: '' };
    } catch (error) {
      return { decision: onFailure, reason: '', evaluationError: messageOf(error) };
    }
    const key = JSON.stringify(spec);
    let status = this.#cache.get(key);
    if (!status) {
      try {
        status = await this.#ask(spec);
      } catch (error) {
        this.#deps.log.error({ error: messageOf(error) }, 'the webhook for authorization could not be asked');
        return { decision: onFailure, reason: '', evaluationError: messageOf(error) };
      }
      const { authorizedTtlMs = 300_000, unauthorizedTtlMs = 30_000 } = this.#options;
      if (key.length < MAX_CACHED_BYTES) {
        this.#cache.set(key, status, status.allowed ? authorizedTtlMs : unauthorizedTtlMs);
      }
    }
    const { allowed, denied = false, reason = '' } = status;
    if (denied && allowed) {
      const evaluationError = 'webhook subject access review returned both allow and deny response';
      return { decision: 'deny', reason, evaluationError };
    }
    return { decision: denied ? 'deny' : allowed ? 'allow' : 'noOpinion', reason };
  }

  /** What an outside server allows cannot be listed. */
  rulesFor() {
    const evaluationError = 'webhook authorizer does not support user rule resolution';
    return Promise.resolve({ rules: [], incomplete: true, evaluationError });
  }

  /** False where one condition is false; else throws where one cannot be evaluated. */
  #matches(spec: object): boolean {
    let failure: unknown;
    for (const matches of this.#matchers) {
      try {
        if (!matches(spec)) return false;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return true;
  }

  async #ask(spec: SubjectAccessReview['spec']): Promise<NonNullable<SubjectAccessReview['status']>> {
    const { target, version = 'v1', timeoutMs = 30_000 } = this.#options;
    const { client, clock } = this.#deps;
    const { status } = await askReview<SubjectAccessReview>(
      { spec: version === 'v1' ? spec : ({ ...spec, group: spec.groups } as typeof spec) },
      {
        target,
        client,
        clock,
        timeoutMs,
        group: 'authorization.k8s.io',
        kind: 'SubjectAccessReview',
        version,
      },
    );
    return status ?? { allowed: false };
  }
}

function matcherOf(expression: string): Matcher {
  const { program, problem } = compileExpression(expression, ENVIRONMENT, [t.BOOL]);
  if (!program) {
    throw new SlipwayError(
      'E_AUTHORIZATION_CONFIG',
      `the expression ${JSON.stringify(expression)}: ${problem}`,
    );
  }
  return (spec) => {
    const request = dynamicValue(spec);
    const resolve = (name: string) => (name === 'request' ? request : undefined);
    return program.evaluate({ resolve }, PER_CALL_LIMIT).value === true;
  };
}

function reviewSpec(attributes: AuthorizationAttributes): SubjectAccessReview['spec'] {
  const { user, verb, isResourceRequest, group, version, resource, subresource, namespace, name, path } =
    attributes;
  return {
    ...(isResourceRequest
      ? {
          resourceAttributes: {
            ...set({ namespace, verb, group, version, resource, subresource, name }),
            ...selectors(attributes),
          },
        }
      : { nonResourceAttributes: set({ path, verb }) }),
    ...(user.name === '' ? {} : { user: user.name }),
    ...(user.groups.length > 0 ? { groups: user.groups } : {}),
    ...(Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
    ...(user.uid ? { uid: user.uid } : {}),
  };
}

const LABEL_OPERATORS: Readonly<Record<string, string>> = {
  '=': 'In',
  '==': 'In',
  in: 'In',
  '!=': 'NotIn',
  notin: 'NotIn',
  exists: 'Exists',
  '!': 'DoesNotExist',
};

/** What a list is narrowed to: it may be allowed where the whole is not. Requirements that have no form here are left out. */
function selectors({ labelSelector = '', fieldSelector = '' }: AuthorizationAttributes) {
  const labels = requirementsOf(() => parseLabelSelector(labelSelector)).flatMap(
    ({ key, operator, values }) => {
      const known = LABEL_OPERATORS[operator];
      if (known === undefined) return [];
      return [{ key, operator: known, ...(values.length > 0 ? { values: [...values] } : {}) }];
    },
  );
  const fields = requirementsOf(() => parseFieldSelector(fieldSelector)).map(
    ({ field, operator, value }) => ({
      key: field,
      operator: operator === '!=' ? 'NotIn' : 'In',
      values: [value],
    }),
  );
  return {
    ...(labels.length > 0 ? { labelSelector: { requirements: labels } } : {}),
    ...(fields.length > 0 ? { fieldSelector: { requirements: fields } } : {}),
  };
}

/** A selector that cannot be read narrows nothing; the request itself is refused for it later. */
function requirementsOf<T>(parse: () => readonly T[]): readonly T[] {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SlipwayError) return [];
    throw error;
  }
}

/** Without what is empty. */
function set(record: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== ''));
}
