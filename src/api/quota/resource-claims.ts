import type { ResourceClaim } from '../gen/types/resource-v1.ts';
import { count, one } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import type { QuotaEvaluator } from './evaluator.ts';

export const RESOURCE_CLAIMS = 'resourceclaims.resource.k8s.io';
const OF_CLASS = '.deviceclass.resource.k8s.io/devices';
/** What "All" may come to: a claim holds no more devices. */
const MOST_DEVICES = 32;

/** Mirrors pkg/quota/v1/evaluator/core/resource_claims.go, without extended resources that classes stand for. */
export const resourceClaimEvaluator: QuotaEvaluator = {
  handles: ({ operation, subresource }) =>
    subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
  counts: (name) => name === `count/${RESOURCE_CLAIMS}` || name.endsWith(OF_CLASS),
  matchesScope: () => false,
  usage(object) {
    const devices = new Map<string, number>();
    for (const { exactly, firstAvailable = [] } of (object as ResourceClaim).spec?.devices?.requests ?? []) {
      if (firstAvailable.length === 0) {
        if (exactly) add(devices, exactly.deviceClassName, devicesOf(exactly));
        continue;
      }
      // One of the alternatives is taken, nobody knows which: each class is charged for the largest of its own.
      const largest = new Map<string, number>();
      for (const alternative of firstAvailable) {
        const { deviceClassName } = alternative;
        largest.set(deviceClassName, Math.max(largest.get(deviceClassName) ?? 0, devicesOf(alternative)));
      }
      for (const [deviceClass, most] of largest) if (most > 0) add(devices, deviceClass, most);
    }
    const usage: Amounts = new Map([[`count/${RESOURCE_CLAIMS}`, one()]]);
    for (const [deviceClass, number] of devices) usage.set(`${deviceClass}${OF_CLASS}`, count(number));
    return usage;
  },
};

function add(devices: Map<string, number>, deviceClass: string, number: number): void {
  devices.set(deviceClass, (devices.get(deviceClass) ?? 0) + number);
}

function devicesOf(request: { allocationMode?: string; count?: number }): number {
  if (request.allocationMode === 'ExactCount') return request.count ?? 0;
  return request.allocationMode === 'All' ? MOST_DEVICES : 0;
}
