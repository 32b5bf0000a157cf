import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../base/clock.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Authenticator } from './authentication.ts';
import { AuditTrail } from './audit/trail.ts';
import type { Auditor } from './audit/auditor.ts';
import { authorizationAttributes } from './authorization-attributes.ts';
import type { Authorizer } from './authorization.ts';
import { forbiddenError } from './authz/forbidden.ts';
import { dispatch, isLongRunning } from './handlers/dispatch.ts';
import type { Exchange } from './http/exchange.ts';
import type { HttpLimits } from './http/limits.ts';
import { parseRequestInfo } from './http/request-info.ts';
import { requestTimeoutMs } from './http/request-timeout.ts';
import type { Fairness } from './fairness/fairness.ts';
import { takeTurn } from './fairness/turn.ts';
import type { InFlight } from './in-flight.ts';
import type { ServerMetrics } from './metrics.ts';
import type { PathHandler } from './path-handler.ts';
import type { RegistryEnv } from './registry/registry-env.ts';
import type { ResourceTable } from './registry/resource-table.ts';
import type { ApiRequest, RequestContext, RequestInfo, UserInfo } from './request-context.ts';
import { sendStatus } from './respond/send.ts';
import {
  internalError,
  nothingServed,
  notFound,
  pathNotFound,
  requestTimeout,
  serviceUnavailable,
  StatusError,
  tooManyRequests,
  unauthorized,
} from './status-errors.ts';
import type { WatchHub } from './watch/watch-hub.ts';
import { Warnings } from './warnings.ts';

/** So long may a client take for what was written to it before its request's turn ends. */
const SLOW_CLIENT_MS = 100;

/** Acts as someone else where the headers ask for it and the user may. */
export type Impersonate = (request: ApiRequest, user: UserInfo) => Promise<UserInfo>;

export interface ApiHandlerOptions {
  env: RegistryEnv;
  table: ResourceTable;
  hub: WatchHub;
  authenticator: Authenticator;
  authorizer: Authorizer;
  impersonate: Impersonate | undefined;
  /** Records requests, where that is configured. */
  auditor: Auditor | undefined;
  /** Asked before anything else: groups that others serve. */
  aggregated: PathHandler;
  /** Discovery, health, metrics and the like; asked in order for what is no resource. */
  paths: readonly PathHandler[];
  limits: HttpLimits;
  inFlight: InFlight;
  /** Whose turn it is; without it only `inFlight` limits. */
  fairness: Fairness | undefined;
  metrics: ServerMetrics;
  clock: Clock;
  log: Logger;
}

/**
 * The way of every request: authenticate, impersonate, authorize, dispatch; and whatever goes wrong becomes
 * a Status. Mirrors DefaultBuildHandlerChain of apiserver pkg/server/config.go.
 */
export class ApiHandler {
  readonly #options: ApiHandlerOptions;
  readonly #running = new Set<Exchange>();
  #closing = false;

  constructor(options: ApiHandlerOptions) {
    this.#options = options;
  }

  /** Requests under way that are no watches or streams. */
  get runningCount(): number {
    return this.#running.size;
  }

  /** From now on answers 503 to what is not under way. */
  beginClose(): void {
    this.#closing = true;
  }

  handle(exchange: Exchange): void {
    void this.#serve(exchange);
  }

  async #serve(exchange: Exchange): Promise<void> {
    const { request, response } = exchange;
    const { clock, metrics, log, limits } = this.#options;
    const startMs = clock.monotonicMs();
    const info = parseRequestInfo(request.method, request.path, request.query);
    const longRunning = isLongRunning(info, request.query) || request.upgrade !== undefined;
    const release = this.#options.inFlight.enter(info, longRunning);
    const auditId = request.headers['audit-id']?.toString() ?? randomUUID();
    const about = { request, info, auditId, receivedMs: clock.now() };
    const trail = new AuditTrail(this.#options.auditor, about, longRunning);
    const turn: Turn = { end: undefined };
    let timer: Timer | undefined;
    let code = 0;
    if (!longRunning) this.#running.add(exchange);
    try {
      response.setHeader('audit-id', auditId);
      // Servers behind this one record the request under the same id.
      request.headers['audit-id'] = auditId;
      response.setHeader('cache-control', 'no-cache, private');
      if (!longRunning) {
        const timeoutMs = requestTimeoutMs(request.query, limits.requestTimeoutMs);
        timer = clock.after(timeoutMs, () => request.cancel.abort(timeoutError()));
      }
      // A connection that was being opened meanwhile: its client asks again, and another API server answers.
      if (this.#closing && info.path !== '/livez') throw serviceUnavailable('apiserver is shutting down', 1);
      if (!release) throw tooManyRequests('too many requests, please try again later.', 1);
      await raceTimeout(this.#chain(exchange, info, trail, turn), request.signal, longRunning);
    } catch (error) {
      code = this.#fail(exchange, info, error, trail);
    } finally {
      timer?.cancel();
      release?.();
      turn.end?.();
      this.#running.delete(exchange);
      code ||= response.statusCode || (request.upgrade ? 101 : 200);
      trail.complete(code);
      metrics.observe(info, longRunning, code, (clock.monotonicMs() - startMs) / 1000);
      log.debug({ method: request.method, path: request.path, code }, 'request');
    }
  }

  async #chain(exchange: Exchange, info: RequestInfo, trail: AuditTrail, turn: Turn): Promise<void> {
    const { request } = exchange;
    const { impersonate, paths } = this.#options;
    const asker = await this.#authenticate(request, trail);
    const response = trail.authenticated(asker, exchange.response);
    const user = impersonate ? await impersonate(request, asker) : asker;
    trail.impersonated(asker, user);
    const { fairness } = this.#options;
    if (fairness && (info.verb === 'watch' || !isLongRunning(info, request.query))) {
      const taken = takeTurn(fairness, { info, user, request, response });
      turn.end = taken instanceof Promise ? await taken : taken;
      // A watch waits for its turn; what it does afterwards takes no seat. Nobody else would end the turn of a
      // request whose time was up before it came.
      if (info.verb === 'watch' || request.signal.aborted) turn.end();
      // A client that is slow to take its answer keeps no seat from others meanwhile.
      const { clock } = this.#options;
      exchange.response.onWait = () => {
        const timer = clock.after(SLOW_CLIENT_MS, () => turn.end?.());
        return () => timer.cancel();
      };
    }
    const warnings = new Warnings(response);
    const context: RequestContext = {
      info,
      user,
      http: request,
      clock: this.#options.clock,
      dryRun: request.query.getAll('dryRun').includes('All'),
      fieldManager: request.query.get('fieldManager') ?? '',
      warn: (text) => warnings.add(text),
      annotate: (key, value) => trail.record?.annotate(key, value),
      ...(trail.record ? { witness: trail.record } : {}),
    };
    await this.#authorize(context, trail);
    if (await this.#options.aggregated.handle(context, response)) return undefined;
    if (info.isResourceRequest) {
      const { env, table, hub, limits } = this.#options;
      const served = table.find(info.group, info.version, info.resource);
      if (served) {
        if (served.info.namespaced && info.namespace === '' && info.name !== '' && info.parts.length > 1) {
          throw notFound(served.groupResource, info.name);
        }
        const target = { request, response, gzipThresholdBytes: limits.gzipThresholdBytes };
        const authorizeCreate = () =>
          this.#authorize({ ...context, info: { ...info, verb: 'create' } }, trail);
        return dispatch({ env, hub, served, context, target, authorizeCreate });
      }
    }
    for (const handler of paths) if (await handler.handle(context, response)) return undefined;
    throw this.#options.table.hasBuiltIn(info.group, info.version) ? pathNotFound() : nothingServed();
  }

  async #authenticate(request: ApiRequest, trail: AuditTrail): Promise<UserInfo> {
    try {
      const found = await this.#options.authenticator.authenticate(request);
      if (!found) throw unauthorized();
      return found.user;
    } catch (error) {
      trail.notAuthenticated();
      throw error;
    }
  }

  async #authorize(context: RequestContext, trail: AuditTrail): Promise<void> {
    const attributes = authorizationAttributes(context.info, context.user);
    const answer = await this.#options.authorizer.authorize(attributes);
    trail.decided(answer);
    const { decision, reason } = answer;
    if (decision !== 'allow') throw forbiddenError(attributes, reason);
  }

  /** Answers with the Status of the error; the code for metrics. */
  #fail(exchange: Exchange, info: RequestInfo, error: unknown, trail: AuditTrail): number {
    const { request, response } = exchange;
    const { log } = this.#options;
    const gone = request.signal.aborted && !(error instanceof StatusError);
    if (gone || isAbort(error)) {
      if (response.started) response.abort();
      return 499;
    }
    let status: StatusError;
    if (error instanceof StatusError) status = error;
    else {
      const stack = error instanceof Error ? error.stack : undefined;
      log.error({ path: info.path, verb: info.verb, error: messageOf(error), stack }, 'request failed');
      status = internalError(messageOf(error), error);
    }
    trail.failed(status.status);
    if (response.started) {
      response.abort();
      return status.httpCode;
    }
    if (status.httpCode === 401) response.setHeader('www-authenticate', 'Bearer realm="kubernetes"');
    if (status.plainText === undefined) sendStatus(request, response, status.status);
    else {
      response.setHeader('x-content-type-options', 'nosniff');
      response.send(status.httpCode, 'text/plain; charset=utf-8', Buffer.from(status.plainText));
    }
    return status.httpCode;
  }
}

/** What a request holds until it is answered. */
interface Turn {
  end: (() => void) | undefined;
}

/** Rejects as soon as the time is up: the work may go on, as upstream's may. */
function raceTimeout(work: Promise<void>, signal: AbortSignal, longRunning: boolean): Promise<void> {
  if (longRunning) return work;
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      const reason: unknown = signal.reason;
      if (reason instanceof StatusError) reject(reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function timeoutError(): StatusError {
  return requestTimeout('request did not complete within the allotted timeout');
}
