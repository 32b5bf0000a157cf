import type { Container, Pod, ResourceFieldSelector } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { findContainer } from '../pods/pod-spec.ts';
import { bytesOf, milliOf } from '../pods/quantities.ts';

/**
 * A container's request or limit as the downward API shows it: in units of the divisor, rounded up. A limit
 * that is not set is what the node can allocate. Mirrors pkg/api/v1/resource/helpers.go.
 */
export function resourceFieldValue(
  selector: ResourceFieldSelector,
  pod: Pod,
  own: Container | undefined,
  allocatable: Record<string, string>,
): string {
  const container = selector.containerName ? findContainer(pod, selector.containerName) : own;
  if (!container) {
    throw new SlipwayError('E_FIELD_REF', `container ${selector.containerName ?? ''} not found`);
  }
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(selector.resource);
  if (!match) throw new SlipwayError('E_FIELD_REF', `unsupported container resource : ${selector.resource}`);
  const [, kind, name] = match as unknown as [string, 'limits' | 'requests', string];
  const fallback = kind === 'limits' ? allocatable[name] : undefined;
  const value = container.resources?.[kind]?.[name] ?? fallback;
  if (name === 'cpu') {
    const divisor = milliOf(selector.divisor) || 1000;
    return String(Math.ceil(milliOf(value) / divisor));
  }
  return String(Math.ceil(bytesOf(value) / (bytesOf(selector.divisor) || 1)));
}
