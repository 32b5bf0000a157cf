import { InvalidArgumentError, type Command } from 'commander';
import type {
  ApiServerOptions,
  AuthenticationOptions,
  AuthorizerOption,
} from '../apiserver/api-server-options.ts';
import { SlipwayError } from '../base/errors.ts';
import { followFile } from '../base/follow-file.ts';
import type { FollowOptions } from '../base/follow-file.ts';
import { duration } from './apiserver-audit.ts';
import { boolean, readPem } from './component.ts';
import { webhookTarget } from './webhook-target.ts';

export interface AccessFlags {
  anonymousAuth?: boolean;
  authenticationConfig?: string;
  oidcIssuerUrl?: string;
  oidcClientId?: string;
  oidcCaFile?: string;
  oidcUsernameClaim: string;
  oidcUsernamePrefix?: string;
  oidcGroupsClaim?: string;
  oidcGroupsPrefix?: string;
  oidcRequiredClaim?: Record<string, string>;
  oidcSigningAlgs: string;
  authenticationTokenWebhookConfigFile?: string;
  authenticationTokenWebhookVersion: string;
  authenticationTokenWebhookCacheTtl: number;
  authorizationMode: string;
  authorizationConfig?: string;
  authorizationWebhookConfigFile?: string;
  authorizationWebhookVersion: string;
  authorizationWebhookCacheAuthorizedTtl: number;
  authorizationWebhookCacheUnauthorizedTtl: number;
}

const VERSIONS = ['v1', 'v1beta1'] as const;
type Version = (typeof VERSIONS)[number];

export function addAccessFlags(command: Command): void {
  command
    .option('--anonymous-auth <bool>', 'let in who shows nothing; by default for health alone', boolean)
    .option('--authentication-config <file>', 'issuers of tokens, as AuthenticationConfiguration')
    .option('--oidc-issuer-url <url>', 'OpenID Connect provider whose ID tokens count')
    .option('--oidc-client-id <id>', 'the audience that ID tokens must be for')
    .option('--oidc-ca-file <file>', 'authority of the provider’s certificate')
    .option('--oidc-username-claim <claim>', 'claim that names the user', 'sub')
    .option('--oidc-username-prefix <prefix>', "before names; '-' for none")
    .option('--oidc-groups-claim <claim>', 'claim that names groups')
    .option('--oidc-groups-prefix <prefix>', 'before groups')
    .option('--oidc-required-claim <claim=value>', 'claim that must be so (repeatable)', requiredClaim)
    .option('--oidc-signing-algs <names>', 'algorithms of ID tokens', 'RS256')
    .option('--authentication-token-webhook-config-file <file>', 'kubeconfig of a server that knows tokens')
    .option('--authentication-token-webhook-version <version>', 'of TokenReview', 'v1')
    .option(
      '--authentication-token-webhook-cache-ttl <duration>',
      'how long answers count',
      duration,
      120_000,
    )
    .option('--authorization-mode <modes>', 'who decides, in order: Node, RBAC, Webhook', 'Node,RBAC')
    .option('--authorization-config <file>', 'the same, as AuthorizationConfiguration')
    .option('--authorization-webhook-config-file <file>', 'kubeconfig of a server that decides')
    .option('--authorization-webhook-version <version>', 'of SubjectAccessReview', 'v1')
    .option(
      '--authorization-webhook-cache-authorized-ttl <duration>',
      'how long a yes counts',
      duration,
      300_000,
    )
    .option(
      '--authorization-webhook-cache-unauthorized-ttl <duration>',
      'how long a no counts',
      duration,
      30_000,
    );
}

export async function accessOptions(
  flags: AccessFlags,
  context: FollowOptions,
): Promise<Pick<ApiServerOptions, 'authentication' | 'authorization' | 'followAccess'>> {
  const { authenticationConfig, authorizationConfig } = flags;
  const authenticationText = authenticationConfig ? await readPem(authenticationConfig) : '';
  const authorizationText = authorizationConfig ? await readPem(authorizationConfig) : '';
  return {
    authentication: await authentication(flags, authenticationText),
    authorization: await authorization(flags, authorizationText),
    // Changed files are used without a restart, as upstream does.
    followAccess: (apply) => {
      if (authenticationConfig) {
        void followFile(authenticationConfig, authenticationText, context, async (text) =>
          apply({ authentication: await authentication(flags, text) }),
        );
      }
      if (authorizationConfig) {
        void followFile(authorizationConfig, authorizationText, context, async (text) =>
          apply({ authorization: await authorization(flags, text) }),
        );
      }
    },
  };
}

async function authentication(flags: AccessFlags, text: string): Promise<AuthenticationOptions> {
  const config = await import('../apiserver/authn/authentication-config.ts');
  const options: AuthenticationOptions = flags.authenticationConfig
    ? config.parseAuthenticationConfig(text)
    : {};
  if (flags.anonymousAuth !== undefined) {
    if (options.anonymous) throw clash('--anonymous-auth', 'anonymous');
    options.anonymous = { enabled: flags.anonymousAuth };
  }
  if (flags.oidcIssuerUrl) {
    if (options.jwt?.length) throw clash('--oidc-issuer-url', 'jwt');
    if (!flags.oidcClientId) {
      throw new SlipwayError('E_AUTHENTICATION_CONFIG', '--oidc-issuer-url needs --oidc-client-id');
    }
    options.jwt = [
      config.issuerOfFlags({
        issuerUrl: flags.oidcIssuerUrl,
        clientId: flags.oidcClientId,
        usernameClaim: flags.oidcUsernameClaim,
        signingAlgorithms: flags.oidcSigningAlgs.split(','),
        ...(flags.oidcCaFile ? { caPem: await readPem(flags.oidcCaFile) } : {}),
        ...(flags.oidcUsernamePrefix === undefined ? {} : { usernamePrefix: flags.oidcUsernamePrefix }),
        ...(flags.oidcGroupsClaim === undefined ? {} : { groupsClaim: flags.oidcGroupsClaim }),
        ...(flags.oidcGroupsPrefix === undefined ? {} : { groupsPrefix: flags.oidcGroupsPrefix }),
        ...(flags.oidcRequiredClaim ? { requiredClaims: flags.oidcRequiredClaim } : {}),
      }),
    ];
  }
  if (flags.authenticationTokenWebhookConfigFile) {
    options.webhook = {
      target: webhookTarget(flags.authenticationTokenWebhookConfigFile),
      version: version(flags.authenticationTokenWebhookVersion),
      cacheTtlMs: flags.authenticationTokenWebhookCacheTtl,
    };
  }
  return options;
}

async function authorization(flags: AccessFlags, text: string): Promise<AuthorizerOption[]> {
  if (flags.authorizationConfig) {
    const { parseAuthorizationConfig } = await import('../apiserver/authz/authorization-config.ts');
    return parseAuthorizationConfig(text, { target: webhookTarget, duration });
  }
  return flags.authorizationMode.split(',').map((mode) => {
    if (mode === 'Node' || mode === 'RBAC') return mode;
    if (mode !== 'Webhook') {
      const why = `--authorization-mode: ${mode} is none of Node, RBAC and Webhook`;
      throw new SlipwayError('E_AUTHORIZATION_CONFIG', why);
    }
    if (!flags.authorizationWebhookConfigFile) {
      const why = '--authorization-mode=Webhook needs --authorization-webhook-config-file';
      throw new SlipwayError('E_AUTHORIZATION_CONFIG', why);
    }
    return {
      target: webhookTarget(flags.authorizationWebhookConfigFile),
      version: version(flags.authorizationWebhookVersion),
      authorizedTtlMs: flags.authorizationWebhookCacheAuthorizedTtl,
      unauthorizedTtlMs: flags.authorizationWebhookCacheUnauthorizedTtl,
    };
  });
}

function clash(flag: string, field: string): SlipwayError {
  const why = `${flag} and ${field} of --authentication-config say the same twice`;
  return new SlipwayError('E_AUTHENTICATION_CONFIG', why);
}

function version(text: string): Version {
  const found = VERSIONS.find((each) => each === text);
  if (found) return found;
  throw new SlipwayError('E_AUTHENTICATION_CONFIG', `${text} is none of the versions v1 and v1beta1`);
}

function requiredClaim(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It is a claim and its value, e.g. tenant=blue.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}
