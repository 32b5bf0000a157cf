/** How the tokens of one issuer are taken: a `jwt` of AuthenticationConfiguration, or what the --oidc- flags say. */
export interface JwtIssuer {
  issuer: {
    url: string;
    discoveryURL?: string;
    /** PEM. */
    certificateAuthority?: string;
    audiences: string[];
  };
  claimValidationRules?: Array<{
    claim?: string;
    requiredValue?: string;
    expression?: string;
    message?: string;
  }>;
  claimMappings: {
    username: ClaimMapping;
    groups?: ClaimMapping;
    uid?: { claim?: string; expression?: string };
    extra?: Array<{ key: string; valueExpression: string }>;
  };
  userValidationRules?: Array<{ expression: string; message?: string }>;
  /** Default: RS256 for flags, all that are known for a configuration file. */
  signingAlgorithms?: readonly string[];
}

export interface ClaimMapping {
  claim?: string;
  prefix?: string;
  expression?: string;
}
