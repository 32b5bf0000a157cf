import type { PathHandler } from '../path-handler.ts';
import type { ApiResponse, RequestContext } from '../request-context.ts';
import type { JwtKey } from './jwt.ts';
import { jsonWebKeys, openidConfiguration } from './openid.ts';

const KEYS_PATH = '/openid/v1/jwks';

/** Serves what others need to check service-account tokens. Mirrors apiserver pkg/server/routes of pkg/routes/openidmetadata.go. */
export class OpenidHandler implements PathHandler {
  readonly #configuration: Buffer;
  readonly #keys: Buffer;

  constructor(options: { issuer: string; keys: readonly JwtKey[]; serverAddress: () => string }) {
    const { issuer, keys } = options;
    // An issuer that is a URL of this server serves its keys; any other place would have to be told.
    const jwksUri = `https://${options.serverAddress()}${KEYS_PATH}`;
    this.#configuration = Buffer.from(JSON.stringify(openidConfiguration(issuer, jwksUri, keys)));
    this.#keys = Buffer.from(JSON.stringify(jsonWebKeys(keys)));
  }

  handle({ http }: RequestContext, response: ApiResponse): boolean {
    const isConfiguration = http.path === '/.well-known/openid-configuration';
    if (!isConfiguration && http.path !== KEYS_PATH) return false;
    if (http.method !== 'GET' && http.method !== 'HEAD') return false;
    response.setHeader('cache-control', 'public, max-age=3600');
    if (isConfiguration) response.send(200, 'application/json', this.#configuration);
    else response.send(200, 'application/jwk-set+json', this.#keys);
    return true;
  }
}
