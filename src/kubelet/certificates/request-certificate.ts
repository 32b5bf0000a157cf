import { createHash } from 'node:crypto';
import { CERTIFICATESIGNINGREQUESTS } from '../../api/gen/resources.ts';
import type { CertificateSigningRequest } from '../../api/gen/types/certificates-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { SlipwayError } from '../../base/errors.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists } from '../../client/errors.ts';

export interface CertificateOrder {
  client: Client;
  clock: Clock;
  /** 'kubernetes.io/kube-apiserver-client-kubelet' or 'kubernetes.io/kubelet-serving'. */
  signerName: string;
  usages: string[];
  requestPem: string;
  /** Names the request: the same key asks again under the same name. */
  keyPem: string;
  namePrefix: string;
  signal: AbortSignal;
}

/** Approval by hand may take its time; the caller asks again afterwards. */
const WAIT_MS = 15 * 60_000;

/**
 * Files a CertificateSigningRequest and waits for its certificate. Rejects with E_CSR_DENIED, E_CSR_FAILED
 * or, after a quarter of an hour, E_CSR_TIMEOUT.
 */
export async function requestCertificate(order: CertificateOrder): Promise<string> {
  const { client, clock, signal } = order;
  const digest = createHash('sha256').update(order.keyPem).update(order.requestPem).digest('base64url');
  const name = `${order.namePrefix}${digest
    .slice(0, 40)
    .toLowerCase()
    .replace(/[^a-z0-9]/g, 'x')}`;
  const csr: CertificateSigningRequest = {
    apiVersion: 'certificates.k8s.io/v1',
    kind: 'CertificateSigningRequest',
    metadata: { name },
    spec: {
      request: Buffer.from(order.requestPem, 'utf8').toString('base64'),
      signerName: order.signerName,
      usages: order.usages,
    },
  };
  try {
    await client.create(CERTIFICATESIGNINGREQUESTS, csr);
  } catch (error) {
    // Asked before, and this process or its predecessor did not wait long enough.
    if (!isAlreadyExists(error)) throw error;
  }
  const startMs = clock.monotonicMs();
  for (;;) {
    const { status } = await client.get(CERTIFICATESIGNINGREQUESTS, { name }, { signal });
    for (const { type, message } of status?.conditions ?? []) {
      if (type === 'Denied' || type === 'Failed') {
        throw new SlipwayError(
          `E_CSR_${type.toUpperCase()}`,
          `certificate request ${name}: ${message ?? type}`,
          {
            hint: `kubectl describe csr ${name}`,
          },
        );
      }
    }
    if (status?.certificate) return Buffer.from(status.certificate, 'base64').toString('utf8');
    const waitedMs = clock.monotonicMs() - startMs;
    if (waitedMs > WAIT_MS) {
      throw new SlipwayError('E_CSR_TIMEOUT', `certificate request ${name} has not been signed`, {
        hint: `kubectl certificate approve ${name}`,
      });
    }
    await clock.sleep(waitedMs < 10_000 ? 200 : 2_000, signal);
  }
}
