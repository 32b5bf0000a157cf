import { createHash, randomUUID } from 'node:crypto';
import { LEASES } from '../../api/gen/resources.ts';
import type { Lease } from '../../api/gen/types/coordination-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectStore } from '../object-store.ts';
import { ignoreExisting } from './namespaces.ts';

const NAMESPACE = 'kube-system';
const LABEL = 'apiserver.kubernetes.io/identity';
const COMPONENT = 'kube-apiserver';
const DURATION_SECONDS = 3600;

export const IDENTITY_RENEW_EVERY_MS = 10_000;
export const IDENTITY_EXPIRE_EVERY_MS = DURATION_SECONDS * 1000;

/**
 * The Lease by which people and tools see which API servers there are. Mirrors labelAPIServerHeartbeatFunc of
 * pkg/controlplane/apiserver/server.go and pkg/controlplane/controller/apiserverleasegc.
 */
export class IdentityLease {
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #hostname: string;
  readonly #name: string;
  readonly #holder: string;

  constructor(options: { store: ObjectStore; clock: Clock; hostname: string }) {
    this.#store = options.store;
    this.#clock = options.clock;
    this.#hostname = options.hostname;
    this.#name = identityName(options.hostname);
    this.#holder = `${this.#name}_${randomUUID()}`;
  }

  async renew(): Promise<void> {
    // Lease times are MicroTime: six digits of a second.
    const renewTime = new Date(this.#clock.now()).toISOString().replace('Z', '000Z');
    const spec = {
      holderIdentity: this.#holder,
      leaseDurationSeconds: DURATION_SECONDS,
      renewTime,
    };
    const labels = { [LABEL]: COMPONENT, 'kubernetes.io/hostname': this.#hostname };
    if (!(await this.#store.get(LEASES, this.#name, NAMESPACE))) {
      // Another server of this machine may be quicker; then the lease is taken over below.
      await ignoreExisting(
        this.#store.create(LEASES, { metadata: { name: this.#name, namespace: NAMESPACE, labels }, spec }),
      );
    }
    await this.#store.update(LEASES, this.#name, NAMESPACE, (lease) => ({
      ...lease,
      metadata: { ...lease.metadata, labels: { ...lease.metadata?.labels, ...labels } },
      spec: { ...lease.spec, ...spec },
    }));
  }

  /** Deletes the leases of servers that have not renewed them for so long. */
  async expireOthers(): Promise<void> {
    for (const lease of await this.#store.list(LEASES, NAMESPACE)) {
      if (lease.metadata?.labels?.[LABEL] !== COMPONENT || !this.#isExpired(lease)) continue;
      const { name = '', uid } = lease.metadata;
      await this.#store.delete(LEASES, name, NAMESPACE, uid ? { preconditions: { uid } } : {});
    }
  }

  #isExpired({ spec }: Lease): boolean {
    if (!spec?.renewTime || !spec.leaseDurationSeconds) return true;
    return Date.parse(spec.renewTime) + spec.leaseDurationSeconds * 1000 < this.#clock.now();
  }
}

/** 'apiserver-' and a hash over host name and component, each preceded by its length. */
function identityName(hostname: string): string {
  const hash = createHash('sha256');
  for (const part of [hostname, COMPONENT]) {
    const bytes = Buffer.from(part);
    hash.update(Buffer.from([bytes.length >> 8, bytes.length & 255])).update(bytes);
  }
  return `apiserver-${base32(hash.digest().subarray(0, 16))}`;
}

function base32(bytes: Uint8Array): string {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups
    .map((group) => 'abcdefghijklmnopqrstuvwxyz234567'[Number.parseInt(group.padEnd(5, '0'), 2)])
    .join('');
}
