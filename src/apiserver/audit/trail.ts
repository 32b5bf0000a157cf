import type { AuthorizationDecision } from '../authorization.ts';
import type { ApiRequest, ApiResponse, RequestInfo, UserInfo } from '../request-context.ts';
import type { StatusBody } from '../status-errors.ts';
import { AuditedResponse } from './audited-response.ts';
import type { Auditor } from './auditor.ts';
import type { AuditRecord } from './record.ts';

/** The audit of one request on its way through the chain; does nothing where none is wanted. */
export class AuditTrail {
  readonly #auditor: Auditor | undefined;
  readonly #about: { request: ApiRequest; info: RequestInfo; auditId: string; receivedMs: number };
  readonly #isLong: boolean;
  record: AuditRecord | undefined;

  constructor(
    auditor: Auditor | undefined,
    about: { request: ApiRequest; info: RequestInfo; auditId: string; receivedMs: number },
    isLong: boolean,
  ) {
    this.#auditor = auditor;
    this.#about = about;
    this.#isLong = isLong;
  }

  /** Who asks is known; gives the response to answer by. */
  authenticated(user: UserInfo, response: ApiResponse): ApiResponse {
    this.record = this.#auditor?.begin({ ...this.#about, user });
    this.record?.received();
    if (!this.record) return response;
    const isWanted = this.#isLong || this.record.wantsResponse;
    return isWanted ? new AuditedResponse(response, this.record, this.#isLong) : response;
  }

  /** Mirrors getAuthMethods of apiserver pkg/endpoints/filters/authn_audit.go. */
  notAuthenticated(): void {
    const { request } = this.#about;
    const methods: string[] = [];
    const header = request.headers.authorization ?? '';
    if (/^basic /i.test(header)) methods.push('basic');
    if (/^bearer /i.test(header)) methods.push('bearer');
    if (request.query.has('access_token')) methods.push('access_token');
    if (request.clientCertificate ?? request.clientCertificateError) methods.push('x509');
    const text =
      methods.length > 0
        ? `Authentication failed, attempted: ${methods.join(', ')}`
        : 'Authentication failed, no credentials provided';
    this.#auditor?.begin({ ...this.#about, user: undefined })?.authenticationFailed(text);
  }

  impersonated(asker: UserInfo, user: UserInfo): void {
    if (user !== asker) this.record?.impersonated(user);
  }

  decided(decision: AuthorizationDecision): void {
    this.record?.decided(decision);
  }

  failed(status: StatusBody): void {
    this.record?.failed(status);
  }

  complete(code: number): void {
    if (this.#isLong) this.record?.responseStarted(code);
    this.record?.complete(code);
  }
}
