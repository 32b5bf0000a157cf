import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Authenticated } from '../authentication.ts';
import type { Authorizer } from '../authorization.ts';
import type { TokenIssuer } from '../authn/token-issuer.ts';
import type { EscalationCheck } from '../authz/escalation.ts';
import type { KubeletConnector } from './core/kubelet-connector.ts';

/** What some kinds need beside the store: made once by the server, before the resources. */
export interface ResourceEnvironment {
  readonly clock: Clock;
  readonly log: Logger;
  /** For access reviews, and for writes that need a right of their own. */
  readonly authorizer: Authorizer;
  readonly escalation: EscalationCheck;
  /** Makes service-account tokens; absent where the server has no signing key. */
  readonly tokens: TokenIssuer | undefined;
  /** For TokenReview: who the token belongs to. Rejects or resolves to undefined for a bad one. */
  authenticateToken(token: string, audiences: readonly string[]): Promise<Authenticated | undefined>;
  /** Audiences that the API server itself answers to; the first is the default. */
  readonly apiAudiences: readonly string[];
  /** Services' addresses, e.g. ['10.96.0.0/12']; the first is the default family. */
  readonly serviceClusterIpRanges: readonly string[];
  readonly serviceNodePortRange: { readonly from: number; readonly to: number };
  /** The way to the kubelets, for logs, exec and the like; absent where no client certificate is configured. */
  readonly kubelets: KubeletConnector | undefined;
  /** Rejects where the store does not answer. */
  readonly checkStore: () => Promise<unknown>;
}
