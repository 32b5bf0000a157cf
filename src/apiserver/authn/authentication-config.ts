import { isObject } from '../../api/objects.ts';
import type { JsonObject } from '../../api/objects.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { ClaimMapping, JwtIssuer } from './oidc/jwt-issuer.ts';

/** Who may come in without credentials. */
export interface AnonymousConfig {
  enabled: boolean;
  /** Only for these paths, where there are any. */
  conditions?: Array<{ path: string }>;
}

export interface AuthenticationConfig {
  jwt: JwtIssuer[];
  anonymous?: AnonymousConfig;
}

const VERSIONS = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `apiserver.config.k8s.io/${version}`);

/**
 * Reads an AuthenticationConfiguration of apiserver.config.k8s.io. Throws E_AUTHENTICATION_CONFIG with the field
 * that is wrong. Mirrors apiserver pkg/apis/apiserver/validation/validation.go.
 */
export function parseAuthenticationConfig(
  text: string,
  disallowedIssuers: readonly string[] = [],
): AuthenticationConfig {
  const { value } = loadYaml(text);
  if (
    !isObject(value) ||
    value.kind !== 'AuthenticationConfiguration' ||
    !VERSIONS.includes(String(value.apiVersion))
  ) {
    throw bad('it is no AuthenticationConfiguration of apiserver.config.k8s.io');
  }
  try {
    return checkedConfig(value, disallowedIssuers);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw bad(`a field is of another type than it should be: ${error.message}`);
  }
}

function checkedConfig(value: JsonObject, disallowedIssuers: readonly string[]): AuthenticationConfig {
  const jwt = (value.jwt ?? []) as JwtIssuer[];
  const urls = new Set<string>();
  for (const [index, issuer] of jwt.entries()) {
    checkIssuer(`jwt[${index}]`, issuer, disallowedIssuers);
    const { url } = issuer.issuer;
    if (urls.has(url)) throw bad(`jwt[${index}].issuer.url: Duplicate value: ${JSON.stringify(url)}`);
    urls.add(url);
  }
  const anonymous = value.anonymous as AnonymousConfig | undefined;
  return { jwt, ...(anonymous ? { anonymous } : {}) };
}

function bad(why: string): SlipwayError {
  return new SlipwayError(
    'E_AUTHENTICATION_CONFIG',
    `the authentication configuration cannot be used: ${why}`,
  );
}

/** Throws E_AUTHENTICATION_CONFIG. */
export function checkIssuer(path: string, given: JwtIssuer, disallowed: readonly string[]): void {
  const { issuer, claimMappings, claimValidationRules = [] } = given as Partial<JwtIssuer>;
  const { url = '', audiences = [], discoveryURL } = issuer ?? {};
  for (const [field, text] of [
    ['url', url],
    ['discoveryURL', discoveryURL],
  ] as const) {
    if (text === undefined) continue;
    if (text === '') throw bad(`${path}.issuer.${field}: Required value: URL is required`);
    if (!URL.canParse(text) || new URL(text).protocol !== 'https:') {
      throw bad(`${path}.issuer.${field}: Invalid value: ${JSON.stringify(text)}: URL scheme must be https`);
    }
  }
  if (disallowed.includes(url)) {
    throw bad(
      `${path}.issuer.url: Invalid value: ${JSON.stringify(url)}: URL must not overlap with disallowed issuers: [${disallowed.join(' ')}]`,
    );
  }
  if (discoveryURL === url) {
    throw bad(
      `${path}.issuer.discoveryURL: Invalid value: ${JSON.stringify(url)}: discoveryURL must be different from URL`,
    );
  }
  if (audiences.length === 0)
    throw bad(`${path}.issuer.audiences: Required value: at least one jwt[0].issuer.audiences is required`);
  for (const [index, rule] of claimValidationRules.entries()) {
    if ((rule.claim === undefined) === (rule.expression === undefined)) {
      throw bad(`${path}.claimValidationRules[${index}]: Required value: claim or expression is required`);
    }
  }
  if (!claimMappings) throw bad(`${path}.claimMappings: Required value`);
  checkMapping(`${path}.claimMappings.username`, claimMappings.username, true);
  checkMapping(`${path}.claimMappings.groups`, claimMappings.groups, false);
}

function checkMapping(path: string, mapping: ClaimMapping | undefined, isNeeded: boolean): void {
  const { claim = '', expression, prefix } = mapping ?? {};
  if (claim !== '' && expression !== undefined)
    throw bad(`${path}: Invalid value: "": claim and expression can't both be set`);
  if (isNeeded && claim === '' && expression === undefined) {
    throw bad(`${path}: Required value: claim or expression is required`);
  }
  if (claim !== '' && prefix === undefined) {
    throw bad(
      `${path}.prefix: Required value: prefix is required when claim is set. It can be set to an empty string to disable prefixing`,
    );
  }
  if (prefix !== undefined && expression !== undefined) {
    throw bad(
      `${path}.prefix: Invalid value: ${JSON.stringify(prefix)}: prefix can't be set when expression is set`,
    );
  }
}

export interface OidcFlags {
  issuerUrl: string;
  clientId: string;
  caPem?: string;
  usernameClaim?: string;
  usernamePrefix?: string;
  groupsClaim?: string;
  groupsPrefix?: string;
  requiredClaims?: Readonly<Record<string, string>>;
  signingAlgorithms?: readonly string[];
}

/** What the --oidc- flags mean. Mirrors pkg/kubeapiserver/options/authentication.go. */
export function issuerOfFlags(flags: OidcFlags): JwtIssuer {
  const { issuerUrl, clientId, caPem, usernameClaim = 'sub', groupsClaim } = flags;
  let prefix = flags.usernamePrefix ?? '';
  // Without a prefix, names of different issuers could clash; e-mail addresses cannot.
  if (flags.usernamePrefix === undefined && usernameClaim !== 'email') prefix = `${issuerUrl}#`;
  if (prefix === '-') prefix = '';
  const issuer: JwtIssuer = {
    issuer: {
      url: issuerUrl,
      audiences: [clientId],
      ...(caPem === undefined ? {} : { certificateAuthority: caPem }),
    },
    claimMappings: {
      username: { claim: usernameClaim, prefix },
      ...(groupsClaim ? { groups: { claim: groupsClaim, prefix: flags.groupsPrefix ?? '' } } : {}),
    },
    claimValidationRules: Object.entries(flags.requiredClaims ?? {}).map(([claim, requiredValue]) => ({
      claim,
      requiredValue,
    })),
    signingAlgorithms: flags.signingAlgorithms ?? ['RS256'],
  };
  checkIssuer('oidc', issuer, []);
  return issuer;
}
