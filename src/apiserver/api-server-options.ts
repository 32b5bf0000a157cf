import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { Storage } from '../storage/storage.ts';
import type { AdmissionConfig } from './admission/admission-config.ts';
import type { AuditOptions } from './audit/auditor.ts';
import type { AnonymousConfig } from './authn/authentication-config.ts';
import type { RequestHeaderNames } from './authn/certificates.ts';
import type { JwtIssuer } from './authn/oidc/jwt-issuer.ts';
import type { TokenWebhookOptions } from './authn/token-webhook.ts';
import type { AuthorizationWebhookOptions } from './authz/webhook-authorizer.ts';
import type { EncryptedStorage } from './encryption/encrypted-storage.ts';
import type { HttpLimits } from './http/limits.ts';
import type { TlsFiles, TlsMaterial } from './http/tls-files.ts';
import type { Random } from './registry/registry-env.ts';

/** Everything that an API server needs. Whoever starts it opens the store, and closes it after the server. */
export interface ApiServerOptions {
  storage: Storage;
  /** The same store, where values in it are encrypted: what is kept with an old key is written anew. */
  encryptedStorage?: EncryptedStorage;
  /** Address to listen on. Default 127.0.0.1. */
  bindAddress?: string;
  /** 0 takes any free port. Default 6443. */
  port?: number;
  /**
   * The address under which pods and other servers reach this one, for the Service `kubernetes`. Default:
   * the first address of the machine that is not loopback.
   */
  advertiseAddress?: string;
  /** Certificate and key, as PEM or as files, which are read again when they change. `clientCa` holds all CAs that sign clients, the front proxy's included. */
  tls: TlsMaterial | TlsFiles;
  /** PEM of the CAs whose certificates name users. Default: all of `tls`'s client CAs. */
  clientCaPem?: string;
  /** Front proxies, which say in headers who asks. */
  requestHeader?: RequestHeaderConfig;
  /** Service-account tokens; without them none are accepted or made. */
  serviceAccounts?: ServiceAccountOptions;
  /** Tokens of others, and who needs none. Default: no others, and none for health and version alone. */
  authentication?: AuthenticationOptions;
  /** Who decides what someone may, in order; members of system:masters may everything. Default Node, RBAC. */
  authorization?: readonly AuthorizerOption[];
  /** Called once with the way to change either of them while the server runs; it throws where a change cannot be. */
  followAccess?: (apply: (change: AccessChange) => void) => void;
  /** Default ['10.96.0.0/12']. */
  serviceClusterIpRanges?: string[];
  /** Default 30000 to 32767. */
  serviceNodePortRange?: { from: number; to: number };
  /** How the server speaks to kubelets; without it logs, exec and the like are refused. A function is asked anew each time. */
  kubelet?: KubeletIdentity | (() => KubeletIdentity);
  /** What this server shows to aggregated API servers, so that they believe who asks; asked anew each time. */
  proxyClient?: () => { certPem: string; keyPem: string };
  /** What is recorded of requests, and where. Default: nothing. */
  audit?: AuditOptions;
  /** False limits requests by their number alone. Default true. */
  priorityAndFairness?: boolean;
  /** Requests under way at once; with fairness their sum is shared out. Default 400 reads and 200 writes. */
  maxRequestsInflight?: number;
  maxMutatingRequestsInflight?: number;
  /** Which admission plugins run, and what they are told. Default: upstream's. */
  admission?: AdmissionConfig;
  /** Shown by /version. */
  build?: { version: string; commit: string; date: string };
  limits?: Partial<HttpLimits>;
  /** Parsed objects that are kept, in bytes of their JSON. Default 8 MiB. */
  parsedCacheBytes?: number;
  /** Recent events kept for each resource. */
  watchWindow?: { maxEvents: number; maxBytes: number };
  clock?: Clock;
  log?: Logger;
  random?: Random;
}

export interface RequestHeaderConfig {
  caPem: string;
  /** The common names that proxies may have; empty: whoever the CA has signed. */
  allowedNames: string[];
  /** Default X-Remote-User, -Uid, -Group and -Extra-. */
  names?: RequestHeaderNames;
}

export interface AuthenticationOptions {
  jwt?: JwtIssuer[];
  webhook?: TokenWebhookOptions;
  anonymous?: AnonymousConfig;
}

/** What is absent stays as it is. */
export interface AccessChange {
  authentication?: AuthenticationOptions;
  authorization?: readonly AuthorizerOption[];
}

export type AuthorizerOption = 'Node' | 'RBAC' | AuthorizationWebhookOptions;

export interface ServiceAccountOptions {
  issuer: string;
  /** Private key that signs new tokens, in PEM. */
  signingKeyPem?: string;
  /** Public keys that old and new tokens are checked with, in PEM. */
  keysPem: string[];
  /** Audiences of the API server; the issuer by default. */
  apiAudiences?: string[];
}

/** The CA of the kubelets and the client certificate that they know this server by. */
export interface KubeletIdentity {
  caPem: string;
  certPem: string;
  keyPem: string;
}

export interface ApiServerHandle {
  /** 'https://127.0.0.1:6443'. */
  readonly url: string;
  readonly port: number;
  /** Aborts when the cluster has removed the server whose certificate is shown here: it must serve no longer. */
  readonly removed: AbortSignal;
  /** Ends watches cleanly, lets requests finish for some seconds, and stops. The store stays open. */
  close(): Promise<void>;
}
