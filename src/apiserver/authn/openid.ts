import type { JwtKey } from './jwt.ts';

/** /.well-known/openid-configuration: where others find the keys to check our tokens. Mirrors pkg/serviceaccount/openidmetadata.go. */
export function openidConfiguration(issuer: string, jwksUri: string, keys: readonly JwtKey[]): object {
  return {
    issuer,
    jwks_uri: jwksUri,
    response_types_supported: ['id_token'],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [...new Set(keys.map((key) => key.algorithm))].sort(),
  };
}

/** /openid/v1/jwks: the public keys. */
export function jsonWebKeys(keys: readonly JwtKey[]): object {
  return {
    keys: keys.map((key) => ({
      use: 'sig',
      ...key.publicKey.export({ format: 'jwk' }),
      kid: key.id,
      alg: key.algorithm,
    })),
  };
}
