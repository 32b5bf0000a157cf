import type { Pod } from '../../../api/gen/types/core-v1.ts';
import { compareQuantities, isQuantity } from '../validation/quantities.ts';

const COMPUTE = ['cpu', 'memory'];

/** Guaranteed, Burstable or BestEffort. Mirrors pkg/apis/core/helper/qos/qos.go. */
export function qosClass(pod: Pod): 'BestEffort' | 'Burstable' | 'Guaranteed' {
  const spec = pod.spec;
  const own = spec?.resources;
  const whole =
    own && (Object.keys(own.requests ?? {}).length > 0 || Object.keys(own.limits ?? {}).length > 0);
  const containers = whole
    ? [{ resources: own }]
    : [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])];
  let any = false;
  let guaranteed = true;
  for (const { resources } of containers) {
    const requests = positive(resources?.requests);
    const limits = positive(resources?.limits);
    if (requests.size > 0 || limits.size > 0) any = true;
    for (const name of COMPUTE) {
      const limit = limits.get(name);
      const request = requests.get(name);
      if (limit === undefined || (request !== undefined && compareQuantities(request, limit) !== 0)) {
        guaranteed = false;
      }
      if (request === undefined && limit === undefined) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}

function positive(quantities: Record<string, string> | undefined): Map<string, string> {
  const found = Object.entries(quantities ?? {}).filter(
    ([name, value]) => COMPUTE.includes(name) && isQuantity(value) && compareQuantities(value, '0') > 0,
  );
  return new Map(found);
}
