import type { Clock } from '../../base/clock.ts';
import { Backoff } from '../../base/backoff.ts';
import { isAbort, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { createCertificateRequest } from '../../pki/issue.ts';
import { generateKeyPair } from '../../pki/keys.ts';
import { requestCertificate } from './request-certificate.ts';
import type { CertificateStore, StoredCertificate } from './certificate-store.ts';

export interface CertificateManagerOptions {
  store: CertificateStore;
  client: Client;
  clock: Clock;
  log: Logger;
  nodeName: string;
  kind: 'client' | 'serving';
  /** Names that a serving certificate must carry now. */
  names: () => { dnsNames: string[]; ipAddresses: string[] };
  /** Whether the authority that issued a certificate is being replaced. */
  isOutdated: (certificate: StoredCertificate) => boolean;
  onCertificate: (certificate: StoredCertificate) => void;
  random?: () => number;
}

/** Long delays are cut, so that a changed clock or address is noticed. */
const LOOK_MS = 60_000;
/** When the signer gave one of the old authority, the next one is asked for after so long. */
const OUTDATED_AGAIN_MS = 60_000;

/**
 * Keeps one certificate valid: renews it at 70 to 90% of its life, when its names no longer fit, or when the
 * authority behind it is being replaced. Mirrors client-go's util/certificate/certificate_manager.go.
 */
export class CertificateManager {
  readonly #options: CertificateManagerOptions;
  readonly #random: () => number;
  #deadlineMs = 0;
  #deadlineOf: StoredCertificate | undefined;
  /** An outdated certificate is not replaced before: the signer may not have the new authority yet. */
  #outdatedFromMs = 0;
  /** Kept over failed tries, so that a request already filed is found again. */
  #pendingKey: string | undefined;

  constructor(options: CertificateManagerOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, log, store } = this.#options;
    const backoff = new Backoff({ initialMs: 1_000, maxMs: 120_000, jitter: 0.2, random: this.#random });
    let current = await store.current();
    if (current) this.#options.onCertificate(current);
    while (!signal.aborted) {
      try {
        if (!this.isDue(current)) {
          await clock.sleep(Math.min(LOOK_MS, Math.max(0, this.#deadlineMs - clock.now())), signal);
          continue;
        }
        current = await this.#renew(signal);
        this.#options.onCertificate(current);
        backoff.reset();
      } catch (error) {
        if (isAbort(error) || signal.aborted) return;
        log.warn(
          { kind: this.#options.kind, error: messageOf(error) },
          'certificate not renewed, will retry',
        );
        await clock.sleep(backoff.next(), signal).catch(() => undefined);
      }
    }
  }

  isDue(current: StoredCertificate | undefined): boolean {
    if (!current) return true;
    const { clock, kind, names } = this.#options;
    if (this.#deadlineOf !== current) {
      const share = 0.7 + 0.2 * this.#random();
      this.#deadlineMs = current.notBeforeMs + (current.notAfterMs - current.notBeforeMs) * share;
      this.#deadlineOf = current;
    }
    if (clock.now() >= this.#deadlineMs) return true;
    if (clock.monotonicMs() >= this.#outdatedFromMs && this.#options.isOutdated(current)) return true;
    if (kind === 'client') return false;
    const wanted = names();
    const has = (list: string[], value: string) => list.includes(value);
    return !(
      wanted.dnsNames.every((name) => has(current.dnsNames, name)) &&
      wanted.ipAddresses.every((ip) => has(current.ipAddresses, ip))
    );
  }

  async #renew(signal: AbortSignal): Promise<StoredCertificate> {
    const { client, clock, kind, log, names, nodeName, store } = this.#options;
    this.#outdatedFromMs = clock.monotonicMs() + OUTDATED_AGAIN_MS;
    this.#pendingKey ??= generateKeyPair().privateKeyPem;
    const keyPem = this.#pendingKey;
    const subject = { commonName: `system:node:${nodeName}`, organizations: ['system:nodes'] };
    const requestPem = createCertificateRequest({
      keyPem,
      ...subject,
      ...(kind === 'serving' ? names() : {}),
    });
    try {
      const certPem = await requestCertificate({
        client,
        clock,
        keyPem,
        requestPem,
        signal,
        namePrefix: 'csr-',
        signerName:
          kind === 'client' ? 'kubernetes.io/kube-apiserver-client-kubelet' : 'kubernetes.io/kubelet-serving',
        usages: ['digital signature', kind === 'client' ? 'client auth' : 'server auth'],
      });
      const stored = await store.save(certPem, keyPem);
      this.#pendingKey = undefined;
      log.info({ kind, notAfter: new Date(stored.notAfterMs).toISOString() }, 'certificate renewed');
      return stored;
    } catch (error) {
      // A refusal is final for this key; a key that only waits is used again.
      if (!isAbort(error)) this.#pendingKey = undefined;
      throw error;
    }
  }
}
