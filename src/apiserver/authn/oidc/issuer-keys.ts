import { isObject } from '../../../api/objects.ts';
import type { Clock } from '../../../base/clock.ts';
import { SlipwayError } from '../../../base/errors.ts';
import type { WebhookClient } from '../../webhook-client/webhook-client.ts';
import { keysOf } from './jws.ts';
import type { VerificationKey } from './jws.ts';

export interface IssuerKeysOptions {
  issuerUrl: string;
  /** Where the provider's configuration is, if not below the issuer's URL. */
  discoveryUrl?: string;
  caPem?: string;
  client: WebhookClient;
  clock: Clock;
}

const TIMEOUT_MS = 10_000;
/** An issuer that is asked for keys that it does not have is not asked again at once. */
const MIN_INTERVAL_MS = 10_000;
const MAX_DOCUMENT_BYTES = 1024 * 1024;
const WELL_KNOWN = '/.well-known/openid-configuration';

/**
 * The keys of an OpenID Connect provider: found by its discovery document when the first token comes, and
 * looked up anew when a token names a key that is not known.
 */
export class IssuerKeys {
  readonly #options: IssuerKeysOptions;
  #keys: readonly VerificationKey[] = [];
  #keysUrl: string | undefined;
  #lastMs = -Infinity;
  #loading: Promise<void> | undefined;

  constructor(options: IssuerKeysOptions) {
    this.#options = options;
  }

  /** Keys to try for a token with this key id; asks the provider where it is not known. Rejects with E_OIDC. */
  async find(id: string | undefined): Promise<readonly VerificationKey[]> {
    const isKnown = id === undefined ? this.#keys.length > 0 : this.#keys.some((key) => key.id === id);
    if (!isKnown) await this.#refresh();
    return this.#keys;
  }

  /** The provider's keys as they are now, if it has not been asked a moment ago. Rejects with E_OIDC. */
  async renewed(): Promise<readonly VerificationKey[]> {
    await this.#refresh();
    return this.#keys;
  }

  #refresh(): Promise<void> {
    const { clock } = this.#options;
    if (this.#loading) return this.#loading;
    if (clock.monotonicMs() - this.#lastMs < MIN_INTERVAL_MS) return Promise.resolve();
    this.#lastMs = clock.monotonicMs();
    this.#loading = this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { issuerUrl, discoveryUrl } = this.#options;
    if (this.#keysUrl === undefined) {
      const url = discoveryUrl ?? issuerUrl.replace(/\/$/, '') + WELL_KNOWN;
      const provider = await this.#get(url);
      if (provider.issuer !== issuerUrl) {
        throw failed(
          `oidc: issuer URL provided to client (${JSON.stringify(issuerUrl)}) did not match the issuer URL returned by provider (${JSON.stringify(provider.issuer)})`,
        );
      }
      if (typeof provider.jwks_uri !== 'string') throw failed('provider did not return JWKS URL');
      this.#keysUrl = provider.jwks_uri;
    }
    this.#keys = keysOf(await this.#get(this.#keysUrl));
  }

  async #get(url: string): Promise<Record<string, unknown>> {
    const { client, caPem } = this.#options;
    const body = await client.get(
      { url, ...(caPem === undefined ? {} : { caPem }) },
      { timeoutMs: TIMEOUT_MS, userAgent: 'kube-apiserver-oidc', maxAnswerBytes: MAX_DOCUMENT_BYTES },
    );
    try {
      const value: unknown = JSON.parse(body.toString('utf8'));
      if (isObject(value)) return value;
    } catch {
      // Said below.
    }
    throw failed(`${url} did not answer with a JSON object`);
  }
}

function failed(message: string): SlipwayError {
  return new SlipwayError('E_OIDC', message);
}
