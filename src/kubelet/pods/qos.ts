import type { Container, Pod } from '../../api/gen/types/core-v1.ts';
import { initContainers, specOf } from './pod-spec.ts';
import { bytesOf, milliOf } from './quantities.ts';

export type QosClass = 'Guaranteed' | 'Burstable' | 'BestEffort';

/** Mirrors pkg/apis/core/v1/helper/qos/qos.go. Pod-level resources count before the containers'. */
export function podQos(pod: Pod): QosClass {
  const known = pod.status?.qosClass;
  if (known === 'Guaranteed' || known === 'Burstable' || known === 'BestEffort') return known;
  const spec = specOf(pod);
  const level = spec.resources;
  const all: Array<Pick<Container, 'resources'>> =
    level && (level.requests || level.limits)
      ? [{ resources: level }]
      : [...spec.containers, ...initContainers(pod)];
  let any = false;
  let guaranteed = true;
  for (const { resources } of all) {
    for (const name of ['cpu', 'memory'] as const) {
      const value = name === 'cpu' ? milliOf : bytesOf;
      const request = value(resources?.requests?.[name]);
      const limit = value(resources?.limits?.[name]);
      if (request > 0 || limit > 0) any = true;
      if (limit === 0 || (request !== 0 && request !== limit)) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
