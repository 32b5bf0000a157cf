import type { ApiRequest, UserInfo } from './request-context.ts';

/** What a successful authentication found. */
export interface Authenticated {
  user: UserInfo;
  /** Audiences of the token; absent for certificates. */
  audiences?: string[];
}

/**
 * Finds out who asks. Resolves to undefined where the request holds no credential that it knows; rejects
 * with a 401 StatusError where the credential is one of its own but bad. Anonymous is the last in the chain.
 */
export interface Authenticator {
  authenticate(request: ApiRequest): Promise<Authenticated | undefined>;
  /** For TokenReview: checks a bearer token outside any request. */
  authenticateToken?(token: string, audiences: readonly string[]): Promise<Authenticated | undefined>;
}
