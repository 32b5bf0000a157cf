import { stringifyJson } from '../../api/json/encode.ts';
import type { KubeObject } from '../../api/resource.ts';
import type { Clock } from '../../base/clock.ts';
import { rfc3339Micro } from '../../base/clock.ts';
import type { AuthorizationDecision } from '../authorization.ts';
import type { ApiRequest, RequestInfo, UserInfo } from '../request-context.ts';
import type { StatusBody } from '../status-errors.ts';
import type { AuditDecision, AuditStage } from './policy.ts';

const MAX_USER_AGENT = 1024;

/** Where finished events go, one JSON text each. */
export interface AuditSink {
  write(event: string): void;
  close(): Promise<void>;
}

export interface RecordOptions {
  decision: AuditDecision;
  auditId: string;
  request: ApiRequest;
  info: RequestInfo;
  user: UserInfo | undefined;
  receivedMs: number;
  clock: Clock;
  sinks: readonly AuditSink[];
}

/**
 * What is known of one request, written at its stages. Bodies are kept as JSON text, taken when they are read,
 * as objects change afterwards. Mirrors apiserver pkg/audit/request.go and pkg/endpoints/filters/audit.go.
 */
export class AuditRecord {
  readonly #options: RecordOptions;
  readonly #annotations: Record<string, string> = {};
  #impersonated: UserInfo | undefined;
  #named: Pick<NonNullable<KubeObject['metadata']>, 'name' | 'namespace' | 'uid' | 'resourceVersion'> = {};
  #requestObject: string | undefined;
  #responseObject: string | undefined;
  #status: object | undefined;
  #started = false;

  constructor(options: RecordOptions) {
    this.#options = options;
  }

  /** Whether bodies of answers are wanted. */
  get wantsResponse(): boolean {
    return this.#options.decision.level === 'RequestResponse';
  }

  /** The first value of a key stays: what is said of a request may not be unsaid. */
  annotate(key: string, value: string): void {
    this.#annotations[key] ??= value;
  }

  decided({ decision, reason }: AuthorizationDecision): void {
    this.annotate('authorization.k8s.io/decision', decision === 'allow' ? 'allow' : 'forbid');
    this.annotate('authorization.k8s.io/reason', reason);
  }

  impersonated(user: UserInfo): void {
    this.#impersonated = user;
  }

  /** The object that came with the request, before anything has changed it. */
  requestObject(object: KubeObject): void {
    const { name, namespace, uid, resourceVersion } = object.metadata ?? {};
    this.#named = {
      ...(name ? { name } : {}),
      ...(namespace ? { namespace } : {}),
      ...(uid ? { uid } : {}),
      ...(resourceVersion ? { resourceVersion } : {}),
    };
    if (this.#wantsRequest) this.#requestObject = this.#text(object);
  }

  /** A patch as it came, parsed. */
  requestPatch(patch: unknown): void {
    if (this.#wantsRequest) this.#requestObject = stringifyJson(patch);
  }

  responseObject(object: unknown): void {
    if (this.wantsResponse) this.#responseObject = this.#text(object);
  }

  failed(status: StatusBody): void {
    const { kind: _kind, apiVersion: _apiVersion, ...rest } = status;
    this.#status = rest;
    if (this.wantsResponse && this.#options.info.isResourceRequest) {
      this.#responseObject = stringifyJson(status);
    }
  }

  received(): void {
    this.#emit('RequestReceived');
  }

  /** The head of an answer that may last has gone out. */
  responseStarted(code: number): void {
    if (this.#started) return;
    this.#started = true;
    this.#status ??= { metadata: {}, code };
    this.#emit('ResponseStarted');
  }

  complete(code: number): void {
    this.#status ??= { metadata: {}, code };
    this.#emit('ResponseComplete');
  }

  /** Nobody knows who asked. */
  authenticationFailed(message: string): void {
    this.#status = { metadata: {}, status: 'Failure', message, reason: 'Unauthorized', code: 401 };
    this.#emit('ResponseStarted');
  }

  get #wantsRequest(): boolean {
    const { level } = this.#options.decision;
    return level === 'Request' || level === 'RequestResponse';
  }

  #text(object: unknown): string {
    return stringifyJson(this.#options.decision.omitManagedFields ? withoutManagers(object) : object);
  }

  #emit(stage: AuditStage): void {
    const { decision, auditId, request, info, user, receivedMs, clock, sinks } = this.#options;
    if (decision.omitStages.includes(stage)) return;
    const query = request.query.toString();
    const head = {
      kind: 'Event',
      apiVersion: 'audit.k8s.io/v1',
      level: decision.level,
      auditID: auditId,
      stage,
      requestURI: request.path + (query === '' ? '' : `?${query}`),
      verb: info.verb,
      user: user ? userOf(user) : {},
      ...(this.#impersonated ? { impersonatedUser: userOf(this.#impersonated) } : {}),
      sourceIPs: sourceIps(request),
      ...(request.headers['user-agent'] ? { userAgent: shortened(request.headers['user-agent']) } : {}),
      ...(info.isResourceRequest ? { objectRef: this.#objectRef() } : {}),
      ...(this.#status && stage !== 'RequestReceived' ? { responseStatus: this.#status } : {}),
    };
    const tail = {
      requestReceivedTimestamp: rfc3339Micro(receivedMs),
      stageTimestamp: rfc3339Micro(clock.now()),
      ...(Object.keys(this.#annotations).length > 0 ? { annotations: this.#annotations } : {}),
    };
    // The bodies are JSON already: they are put in as they are.
    let text = JSON.stringify(head).slice(0, -1);
    if (this.#requestObject !== undefined) text += `,"requestObject":${this.#requestObject}`;
    if (this.#responseObject !== undefined && stage === 'ResponseComplete') {
      text += `,"responseObject":${this.#responseObject}`;
    }
    text += `,${JSON.stringify(tail).slice(1)}`;
    for (const sink of sinks) sink.write(text);
  }

  #objectRef(): object {
    const { info } = this.#options;
    const namespace = info.namespace || this.#named.namespace;
    const name = info.name || this.#named.name;
    return {
      resource: info.resource,
      ...(namespace ? { namespace } : {}),
      ...(name ? { name } : {}),
      ...(this.#named.uid ? { uid: this.#named.uid } : {}),
      ...(info.group === '' ? {} : { apiGroup: info.group }),
      apiVersion: info.version,
      ...(this.#named.resourceVersion ? { resourceVersion: this.#named.resourceVersion } : {}),
      ...(info.subresource === '' ? {} : { subresource: info.subresource }),
    };
  }
}

function userOf(user: UserInfo): object {
  return {
    username: user.name,
    ...(user.uid ? { uid: user.uid } : {}),
    ...(user.groups.length > 0 ? { groups: user.groups } : {}),
    ...(Object.keys(user.extra).length > 0 ? { extra: user.extra } : {}),
  };
}

/** Mirrors SourceIPs of apimachinery pkg/util/net/http.go: all but the last may be made up. */
function sourceIps({ headers, remoteAddress }: ApiRequest): string[] {
  const forwarded = [headers['x-forwarded-for'] ?? []]
    .flat()
    .flatMap((value) => value.split(','))
    .map((address) => address.trim())
    .filter((address) => /^[0-9a-fA-F.:]+$/.test(address));
  const real = [headers['x-real-ip'] ?? []].flat()[0];
  if (real !== undefined && /^[0-9a-fA-F.:]+$/.test(real) && !forwarded.includes(real)) forwarded.push(real);
  if (forwarded.at(-1) !== remoteAddress && remoteAddress !== '') forwarded.push(remoteAddress);
  return forwarded;
}

function shortened(agent: string): string {
  return agent.length > MAX_USER_AGENT ? `${agent.slice(0, MAX_USER_AGENT)}...TRUNCATED` : agent;
}

function withoutManagers(value: unknown): unknown {
  const object = value as KubeObject & { items?: KubeObject[] };
  const without = (each: KubeObject): KubeObject => {
    if (!each.metadata?.managedFields) return each;
    const { managedFields: _managers, ...metadata } = each.metadata;
    return { ...each, metadata };
  };
  const result = without(object);
  return Array.isArray(object.items) ? { ...result, items: object.items.map(without) } : result;
}
