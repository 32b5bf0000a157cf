import { createPrivateKey, createPublicKey } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ServiceAccountOptions } from './api-server-options.ts';
import type { TokenAuthenticator } from './authn/authenticator.ts';
import { RequestAuthenticator } from './authn/authenticator.ts';
import { BootstrapTokens } from './authn/bootstrap-tokens.ts';
import { RemovedNodes } from './authn/removed-nodes.ts';
import type {
  AccessChange,
  AuthenticationOptions,
  AuthorizerOption,
  RequestHeaderConfig,
} from './api-server-options.ts';
import { checkIssuer } from './authn/authentication-config.ts';
import { OidcAuthenticator } from './authn/oidc/oidc-authenticator.ts';
import { TokenWebhook } from './authn/token-webhook.ts';
import type { WebhookClient } from './webhook-client/webhook-client.ts';
import { CaBundle, REQUEST_HEADER_NAMES } from './authn/certificates.ts';
import { jwtKey } from './authn/jwt.ts';
import type { JwtKey } from './authn/jwt.ts';
import { ServiceAccountTokens } from './authn/service-account-tokens.ts';
import { TokenIssuer } from './authn/token-issuer.ts';
import type { Authorizer } from './authorization.ts';
import { EscalationCheck } from './authz/escalation.ts';
import { NodeAuthorizer } from './authz/node-authorizer.ts';
import { followNodeGraph, NodeGraph } from './authz/node-graph.ts';
import type { ObjectFeed } from './authz/object-feed.ts';
import { followRbac, RbacAuthorizer } from './authz/rbac-authorizer.ts';
import { RbacIndex } from './authz/rbac-index.ts';
import { privilegedAuthorizer, UnionAuthorizer } from './authz/union-authorizer.ts';
import { WebhookAuthorizer } from './authz/webhook-authorizer.ts';
import type { ObjectReader } from './object-store.ts';

export interface PolicyOptions {
  reader: ObjectReader;
  feed: ObjectFeed;
  clientCa: () => string;
  requestHeader: RequestHeaderConfig | undefined;
  serviceAccounts: ServiceAccountOptions | undefined;
  authentication: AuthenticationOptions | undefined;
  authorization: readonly AuthorizerOption[] | undefined;
  /** For webhooks and OpenID Connect. */
  client: WebhookClient;
  clock: Clock;
  log: Logger;
}

/** Who may come in and what they may do. */
export interface Policy {
  authenticator: RequestAuthenticator;
  authorizer: Authorizer;
  escalation: EscalationCheck;
  tokens: TokenIssuer | undefined;
  /** Keys that tokens are checked with, for OpenID discovery. */
  tokenKeys: JwtKey[];
  issuer: string;
  apiAudiences: string[];
  /** Uses other issuers or authorizers from now on. Throws where that cannot be; then nothing is changed. */
  change(change: AccessChange): void;
  stop(): void;
}

/** Wires authentication (front proxy, certificates, tokens) and authorization (masters, nodes, RBAC). */
export function createPolicy(options: PolicyOptions): Policy {
  const { reader, feed, clock, log, serviceAccounts, requestHeader } = options;
  const index = new RbacIndex();
  const rbac = new RbacAuthorizer(index);
  const graph = new NodeGraph();
  const initial = options.authorization ?? ['Node', 'RBAC'];
  const membersOf = (authorization: readonly AuthorizerOption[]): Authorizer[] => [
    privilegedAuthorizer,
    ...authorization.map((member) => {
      if (member === 'Node') return new NodeAuthorizer(graph);
      return member === 'RBAC' ? rbac : new WebhookAuthorizer(member, options);
    }),
  ];
  const authorizer = new UnionAuthorizer(membersOf(initial));
  const issuer = serviceAccounts?.issuer ?? 'https://kubernetes.default.svc';
  const apiAudiences = serviceAccounts?.apiAudiences ?? [issuer];
  const tokenKeys = (serviceAccounts?.keysPem ?? []).map((pem) => jwtKey(createPublicKey(pem)));
  const checker = new ServiceAccountTokens({
    issuers: [issuer],
    keys: tokenKeys,
    apiAudiences,
    reader,
    clock,
  });
  const authenticator = new RequestAuthenticator({
    clientCa: new CaBundle(options.clientCa),
    ...(requestHeader
      ? {
          requestHeader: {
            ca: new CaBundle(() => requestHeader.caPem),
            allowedNames: requestHeader.allowedNames,
            names: requestHeader.names ?? REQUEST_HEADER_NAMES,
          },
        }
      : {}),
    serviceAccounts: checker,
    bootstrapTokens: new BootstrapTokens({ reader, clock }),
    removedNodes: new RemovedNodes(reader),
    others: otherTokens(options, options.authentication, issuer, apiAudiences),
    anonymous: options.authentication?.anonymous,
    log,
  });
  const signingKey = serviceAccounts?.signingKeyPem;
  const ends = [followRbac(index, feed), followNodeGraph(graph, feed)];
  return {
    authenticator,
    authorizer,
    escalation: new EscalationCheck(authorizer, rbac, index),
    tokens: signingKey
      ? new TokenIssuer({ issuer, privateKey: createPrivateKey(signingKey), clock })
      : undefined,
    tokenKeys,
    issuer,
    apiAudiences,
    change: ({ authentication, authorization }) => {
      const others = authentication && otherTokens(options, authentication, issuer, apiAudiences);
      // Mirrors pkg/kubeapiserver/authorizer/reload.go: what was not there at the start has nothing to decide by.
      const missing = authorization?.find(
        (one): one is 'Node' | 'RBAC' => typeof one === 'string' && !initial.includes(one),
      );
      if (missing !== undefined) {
        const why = `authorizer type ${missing} is not allowed if it was not enabled at initial server startup`;
        throw new SlipwayError('E_AUTHORIZATION_CONFIG', why);
      }
      if (others) authenticator.replace({ others, anonymous: authentication.anonymous });
      if (authorization) authorizer.replaceMembers(membersOf(authorization));
    },
    stop: () => {
      for (const end of ends) end();
    },
  };
}

/** OpenID Connect first, which needs no call for each token, then the webhook. */
function otherTokens(
  options: PolicyOptions,
  authentication: AuthenticationOptions | undefined,
  ownIssuer: string,
  apiAudiences: readonly string[],
): TokenAuthenticator[] {
  const { client, clock, log } = options;
  const others: TokenAuthenticator[] = [];
  for (const [index, issuer] of (authentication?.jwt ?? []).entries()) {
    checkIssuer(`jwt[${index}]`, issuer, [ownIssuer]);
    const oidc = new OidcAuthenticator(issuer, { client, clock });
    others.push({
      // Their audiences are the issuer's matter: they stand for this server's own.
      authenticate: async (token, audiences) => {
        const found = await oidc.authenticate(token);
        if (!found || audiences.length === 0) return found;
        const common = audiences.filter((audience) => apiAudiences.includes(audience));
        return common.length > 0 ? { ...found, audiences: common } : undefined;
      },
    });
  }
  const webhook = authentication?.webhook;
  if (webhook) others.push(new TokenWebhook(webhook, { client, clock, log, apiAudiences }));
  return others;
}
