import { randomUUID } from 'node:crypto';
import type { Clock, Timer } from '../base/clock.ts';
import { isAbort, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { Authenticator } from './authentication.ts';
import type { AuthorizationAttributes, Authorizer } from './authorization.ts';
import { forbiddenError } from './authz/forbidden.ts';
import { dispatch, isLongRunning } from './handlers/dispatch.ts';
import type { Exchange } from './http/exchange.ts';
import type { HttpLimits } from './http/limits.ts';
import { parseRequestInfo } from './http/request-info.ts';
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

/** Acts as someone else where the headers ask for it and the user may. */
export type Impersonate = (request: ApiRequest, user: UserInfo) => Promise<UserInfo>;

export interface ApiHandlerOptions {
  env: RegistryEnv;
  table: ResourceTable;
  hub: WatchHub;
  authenticator: Authenticator;
  authorizer: Authorizer;
  impersonate: Impersonate | undefined;
  /** Asked before anything else: groups that others serve. */
  aggregated: PathHandler;
  /** Discovery, health, metrics and the like; asked in order for what is no resource. */
  paths: readonly PathHandler[];
  limits: HttpLimits;
  inFlight: InFlight;
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
    let timer: Timer | undefined;
    let code = 0;
    if (!longRunning) {
      this.#running.add(exchange);
      timer = clock.after(limits.requestTimeoutMs, () => request.cancel.abort(timeoutError()));
    }
    try {
      response.setHeader('audit-id', request.headers['audit-id']?.toString() ?? randomUUID());
      response.setHeader('cache-control', 'no-cache, private');
      if (this.#closing && info.path !== '/livez') throw serviceUnavailable('apiserver is shutting down');
      if (!release) throw tooManyRequests('too many requests, please try again later.', 1);
      await raceTimeout(this.#chain(exchange, info), request.signal, longRunning);
    } catch (error) {
      code = this.#fail(exchange, info, error);
    } finally {
      timer?.cancel();
      release?.();
      this.#running.delete(exchange);
      code ||= response.statusCode || 200;
      metrics.observe(info, longRunning, code, (clock.monotonicMs() - startMs) / 1000);
      log.debug({ method: request.method, path: request.path, code }, 'request');
    }
  }

  async #chain(exchange: Exchange, info: RequestInfo): Promise<void> {
    const { request, response } = exchange;
    const { authenticator, impersonate, paths } = this.#options;
    const found = await authenticator.authenticate(request);
    if (!found) throw unauthorized();
    const user = impersonate ? await impersonate(request, found.user) : found.user;
    const warnings = new Warnings(response);
    const context: RequestContext = {
      info,
      user,
      http: request,
      clock: this.#options.clock,
      dryRun: request.query.getAll('dryRun').includes('All'),
      fieldManager: request.query.get('fieldManager') ?? '',
      warn: (text) => warnings.add(text),
      annotate: () => undefined,
    };
    await this.#authorize(context);
    if (await this.#options.aggregated.handle(context, response)) return undefined;
    if (info.isResourceRequest) {
      const { env, table, hub, limits } = this.#options;
      const served = table.find(info.group, info.version, info.resource);
      if (served) {
        if (served.info.namespaced && info.namespace === '' && info.name !== '' && info.parts.length > 1) {
          throw notFound(served.groupResource, info.name);
        }
        const target = { request, response, gzipThresholdBytes: limits.gzipThresholdBytes };
        const authorizeCreate = () => this.#authorize({ ...context, info: { ...info, verb: 'create' } });
        return dispatch({ env, hub, served, context, target, authorizeCreate });
      }
    }
    for (const handler of paths) if (await handler.handle(context, response)) return undefined;
    throw this.#options.table.hasBuiltIn(info.group, info.version) ? pathNotFound() : nothingServed();
  }

  async #authorize(context: RequestContext): Promise<void> {
    const attributes = authorizationAttributes(context);
    const { decision, reason } = await this.#options.authorizer.authorize(attributes);
    if (decision !== 'allow') throw forbiddenError(attributes, reason);
  }

  /** Answers with the Status of the error; the code for metrics. */
  #fail(exchange: Exchange, info: RequestInfo, error: unknown): number {
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

export function authorizationAttributes(context: RequestContext): AuthorizationAttributes {
  const { info, user } = context;
  return {
    user,
    verb: info.verb,
    isResourceRequest: info.isResourceRequest,
    group: info.group,
    version: info.version,
    resource: info.resource,
    subresource: info.subresource,
    namespace: info.namespace,
    name: info.name,
    path: info.path,
    ...(info.labelSelector === '' ? {} : { labelSelector: info.labelSelector }),
    ...(info.fieldSelector === '' ? {} : { fieldSelector: info.fieldSelector }),
  };
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
