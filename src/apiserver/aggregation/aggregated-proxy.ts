import type { APIService } from '../../api/gen/types/apiregistration-v1.ts';
import type { Logger } from '../../base/log.ts';
import { messageOf } from '../../base/errors.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import { passedOn, pourAnswer, relayUpgrade, send } from '../resources/core/relay.ts';
import type { RelayTarget } from '../resources/core/relay.ts';
import { networkErrorText } from '../webhook-client/call-error.ts';
import type { Backends } from './backend.ts';
import type { RemoteApis } from './remote-apis.ts';

/** Headers of an answer that hold for its connection alone. */
const OWN_HEADERS = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'trailer',
  'upgrade',
  'content-type',
]);

/**
 * Passes requests for others' groups on, as streams, with who asks in headers. They have been authenticated and
 * authorized before. Mirrors kube-aggregator pkg/apiserver/handler_proxy.go.
 */
export class AggregatedProxy {
  readonly #remotes: RemoteApis;
  readonly #backends: Backends;
  readonly #log: Logger;

  constructor(options: { remotes: RemoteApis; backends: Backends; log: Logger }) {
    this.#remotes = options.remotes;
    this.#backends = options.backends;
    this.#log = options.log;
  }

  /** False where the request is for nobody else. */
  async handle(context: RequestContext, response: ApiResponse): Promise<boolean> {
    const parts = context.info.path.split('/').filter((part) => part !== '');
    const isOpenApi = parts[0] === 'openapi' && parts[1] === 'v3' && parts[2] === 'apis';
    if (isOpenApi) parts.splice(0, 2);
    const [prefix, group = '', version = ''] = prefixed(parts);
    if (prefix === undefined) return false;
    const remote = this.#remotes.find(group, version);
    if (!remote) return false;
    if (!remote.available) {
      sendText(response, 503, 'service unavailable');
      return true;
    }
    await this.#pass(remote.apiService, context, response);
    return true;
  }

  async #pass(apiService: APIService, context: RequestContext, response: ApiResponse): Promise<void> {
    const { http, user } = context;
    const query = http.query.toString();
    const path = http.path + (query === '' ? '' : `?${query}`);
    let target: RelayTarget;
    try {
      target = await this.#backends.target(apiService, path, user);
    } catch (error) {
      this.#log.warn(
        { apiService: apiService.metadata?.name, error: messageOf(error) },
        'no way to an API server',
      );
      sendText(response, 503, 'service unavailable');
      return;
    }
    try {
      const answer = http.upgrade
        ? await relayUpgrade(http, target)
        : await send(http, target, { ...passedOn(http.headers), ...target.headers });
      if (!answer) return;
      const status = answer.statusCode ?? 502;
      if (status >= 300 && status < 400 && answer.headers.location !== undefined) {
        answer.destroy();
        sendText(response, 502, 'the backend attempted to redirect this request, which is not permitted');
        return;
      }
      for (const [name, value] of Object.entries(answer.headers)) {
        if (value !== undefined && !OWN_HEADERS.has(name)) response.setHeader(name, value);
      }
      await pourAnswer(answer, response, http.signal, answer.headers['content-type'] ?? '');
    } catch (error) {
      if (response.started || http.signal.aborted) throw error;
      const { host, port, tls } = target;
      const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
      sendText(response, 503, networkErrorText(cause, host, port, tls?.servername ?? host));
    }
  }
}

/** Prefix, group and version of a path of the API. */
function prefixed(parts: readonly string[]): readonly [string | undefined, string?, string?] {
  if (parts[0] === 'apis' && parts.length >= 3) return ['apis', parts[1], parts[2]];
  if (parts[0] === 'api' && parts.length >= 2) return ['api', '', parts[1]];
  return [undefined];
}

/** As Go's http.Error. */
function sendText(response: ApiResponse, status: number, text: string): void {
  response.setHeader('x-content-type-options', 'nosniff');
  response.send(status, 'text/plain; charset=utf-8', Buffer.from(`${text}\n`));
}
