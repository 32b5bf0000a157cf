import { createHash, randomBytes } from 'node:crypto';
import type { Clock } from '../../../base/clock.ts';
import { messageOf, SlipwayError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import {
  decodeEnvelope,
  encodeEnvelope,
  keyIdProblem,
  openWithSource,
  SEED_SOURCE,
  sealedProblem,
  sealWithSeed,
  sourceName,
} from './envelope.ts';
import type { Envelope } from './envelope.ts';
import type { KmsSealed, KmsService } from './kms-service.ts';

const HEALTHY_MS = 60_000;
const UNHEALTHY_MS = 10_000;
/** So long new values are sealed with the last seed while the service is away. */
const COAST_MS = 3 * 60_000;
/** A seed for each key of the service and each start of a server: thousands are many. */
const MAX_SOURCES = 10_000;

interface WriteState extends Omit<Envelope, 'data'> {
  seed: Buffer;
  /** The clock's monotonic time after which nothing is sealed any more. */
  validUntilMs: number;
}

export interface KmsProviderOptions {
  name: string;
  service: KmsService;
  clock: Clock;
  log: Logger;
}

/**
 * Envelopes whose keys a key management service keeps. The service is asked once for a seed, then every minute whether
 * its key is still the same; values are sealed and opened here. Mirrors apiserver
 * pkg/server/options/encryptionconfig/config.go and pkg/storage/value/encrypt/envelope/kmsv2.
 */
export class KmsProvider {
  readonly name: string;
  readonly #service: KmsService;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Opened sources, by all that went into them. */
  readonly #sources = new Map<string, Buffer>();
  readonly #opening = new Map<string, Promise<void>>();
  readonly #stop = new AbortController();
  readonly #rotated = new Set<() => void>();
  #state: WriteState | undefined;
  #problem: string | undefined = 'the service has not answered yet';

  constructor({ name, service, clock, log }: KmsProviderOptions) {
    this.name = name;
    this.#service = service;
    this.#clock = clock;
    this.#log = log;
  }

  /** Why it is not well; undefined where it is. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Told when new values begin to be sealed with another key. */
  onRotation(listener: () => void): void {
    this.#rotated.add(listener);
  }

  /** Resolves after the first answer, or after ten tries; it is asked on either way until `close`. */
  async start(): Promise<void> {
    for (let tries = 0; tries < 10 && !this.#stop.signal.aborted; tries++) {
      await this.#probe();
      if (this.#problem === undefined) break;
      await this.#clock.sleep(1_000, this.#stop.signal).catch(() => undefined);
    }
    void this.#loop();
  }

  close(): void {
    this.#stop.abort();
    this.#service.close();
  }

  /** Throws E_KMS where no seed is known, or the service has been away for too long. */
  seal(plaintext: Buffer, context: Buffer): Buffer {
    const state = this.#state;
    if (!state) throw this.#away(this.#problem ?? 'it has no key');
    if (this.#clock.monotonicMs() > state.validUntilMs) {
      throw this.#away(`its last answer is older than ${COAST_MS / 60_000} minutes: ${this.#problem ?? ''}`);
    }
    const { seed, keyId, ciphertext, annotations, sourceType } = state;
    const data = sealWithSeed(seed, plaintext, context);
    return encodeEnvelope({ data, keyId, ciphertext, annotations, sourceType });
  }

  /** `prepare` must have been called with the same bytes before. */
  open(sealed: Buffer, context: Buffer): { value: Buffer; stale: boolean } {
    const envelope = decodeEnvelope(sealed);
    const source = this.#sources.get(sourceName(envelope));
    if (!source) throw this.#away('a key was not asked for before it was needed');
    const value = openWithSource(source, envelope.sourceType, envelope.data, context);
    const stale = envelope.keyId !== this.#state?.keyId || envelope.sourceType !== this.#state.sourceType;
    return { value, stale };
  }

  /** Has the service open what is not known yet; undefined where nothing has to be asked. Rejects with E_KMS. */
  prepare(sealed: Buffer): Promise<void> | undefined {
    let envelope: Envelope;
    try {
      envelope = decodeEnvelope(sealed);
    } catch {
      // Opening it says what is wrong with it.
      return undefined;
    }
    const name = sourceName(envelope);
    if (this.#sources.has(name)) return undefined;
    let opening = this.#opening.get(name);
    if (!opening) {
      opening = this.#open(name, envelope).finally(() => this.#opening.delete(name));
      this.#opening.set(name, opening);
    }
    return opening;
  }

  async #open(name: string, sealed: KmsSealed): Promise<void> {
    this.#remember(name, await this.#service.decrypt(sealed));
  }

  #remember(name: string, source: Buffer): void {
    this.#sources.set(name, source);
    if (this.#sources.size <= MAX_SOURCES) return;
    const [oldest] = this.#sources.keys();
    if (oldest !== undefined) this.#sources.delete(oldest);
  }

  async #loop(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      const waitMs = this.#problem === undefined ? HEALTHY_MS : UNHEALTHY_MS;
      await this.#clock.sleep(waitMs, signal).catch(() => undefined);
      if (!signal.aborted) await this.#probe();
    }
  }

  async #probe(): Promise<void> {
    const before = this.#problem;
    try {
      const startedMs = this.#clock.monotonicMs();
      const { version, healthz, keyId } = await this.#service.status();
      const problems: string[] = [];
      if (healthz !== 'ok') problems.push(`got unexpected healthz status: ${healthz}`);
      if (version !== 'v2' && version !== 'v2beta1') {
        problems.push(`expected KMSv2 API version v2, got ${version}`);
      }
      const problem = keyIdProblem(keyId);
      if (problem === undefined) await this.#keepState(keyId, startedMs + COAST_MS);
      else problems.push(`got invalid KMSv2 KeyID: ${problem}`);
      this.#problem = problems.length === 0 ? undefined : problems.join(', ');
    } catch (error) {
      this.#problem = messageOf(error);
    }
    if (this.#problem !== undefined && this.#problem !== before && !this.#stop.signal.aborted) {
      this.#log.warn(
        { provider: this.name, problem: this.#problem },
        'the key management service is not well',
      );
    }
  }

  /** The same key lets the seed be used on; another one needs a new seed. */
  async #keepState(keyId: string, validUntilMs: number): Promise<void> {
    if (this.#state?.keyId === keyId) {
      this.#state.validUntilMs = validUntilMs;
      return;
    }
    const seed = randomBytes(32);
    const sealed = await this.#service.encrypt(seed);
    const problem = sealedProblem(sealed);
    if (problem !== undefined) throw this.#away(problem);
    if (sealed.keyId !== keyId) {
      throw this.#away('Status and Encrypt name different keys: a rotation is under way');
    }
    const isRotation = this.#state !== undefined;
    this.#state = { ...sealed, sourceType: SEED_SOURCE, seed, validUntilMs };
    this.#remember(sourceName(this.#state), seed);
    const hash = createHash('sha256').update(keyId).digest('hex');
    this.#log.info({ provider: this.name, keyIdHash: `sha256:${hash}` }, 'values are sealed with a new key');
    if (isRotation) for (const listener of this.#rotated) listener();
  }

  #away(why: string): SlipwayError {
    return new SlipwayError('E_KMS', `the key management service ${this.name} cannot be used: ${why}`, {
      hint: 'look at the plugin that serves the socket in the encryption configuration',
    });
  }
}
