import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { authorizationAttributes } from '../authorization-attributes.ts';
import type { ApiRequest, RequestInfo, UserInfo } from '../request-context.ts';
import type { WebhookClient, WebhookTarget } from '../webhook-client/webhook-client.ts';
import { LogSink } from './log-sink.ts';
import type { LogSinkOptions } from './log-sink.ts';
import { AuditPolicy } from './policy.ts';
import { AuditRecord } from './record.ts';
import type { AuditSink } from './record.ts';
import { WebhookSink } from './webhook-sink.ts';
import type { WebhookSinkOptions } from './webhook-sink.ts';

export interface AuditOptions {
  /** An audit.k8s.io/v1 Policy in YAML. */
  policy: string;
  log?: Omit<LogSinkOptions, 'clock' | 'log' | 'lost'>;
  webhook?: { target: WebhookTarget } & Omit<WebhookSinkOptions, 'target' | 'client' | 'clock' | 'log'>;
  /** Takes events elsewhere. */
  sinks?: readonly AuditSink[];
}

interface AuditorDeps {
  client: WebhookClient;
  clock: Clock;
  log: Logger;
  /** Told how many events did not get into the log. */
  lost?: (events: number) => void;
}

export interface AuditedRequest {
  request: ApiRequest;
  info: RequestInfo;
  /** Undefined where authentication failed. */
  user: UserInfo | undefined;
  auditId: string;
  receivedMs: number;
}

/** Decides by the policy what is recorded of requests, and where to. */
export class Auditor {
  readonly #policy: AuditPolicy;
  readonly #sinks: AuditSink[];
  readonly #clock: Clock;

  constructor(options: AuditOptions, deps: AuditorDeps) {
    const { clock, log, client, lost } = deps;
    this.#policy = AuditPolicy.parse(options.policy);
    this.#clock = clock;
    this.#sinks = [...(options.sinks ?? [])];
    if (options.log) this.#sinks.push(new LogSink({ ...options.log, clock, log, ...(lost ? { lost } : {}) }));
    if (options.webhook) this.#sinks.push(new WebhookSink({ ...options.webhook, client, clock, log }));
  }

  /** The record of a request; undefined where nothing of it is to be kept. */
  begin({ request, info, user, auditId, receivedMs }: AuditedRequest): AuditRecord | undefined {
    const nobody: UserInfo = { name: '', groups: [], extra: {} };
    const { user: _nobody, ...attributes } = authorizationAttributes(info, nobody);
    const decision = this.#policy.decide({ ...attributes, ...(user ? { user } : {}) });
    if (decision.level === 'None') return undefined;
    const clock = this.#clock;
    return new AuditRecord({
      decision,
      auditId,
      request,
      info,
      user,
      receivedMs,
      clock,
      sinks: this.#sinks,
    });
  }

  async close(): Promise<void> {
    await Promise.all(this.#sinks.map((sink) => sink.close()));
  }
}
