import type { PersistentVolumeClaim, Service } from '../gen/types/core-v1.ts';
import { compareQuantities, parseQuantity, quantityFromValue, quantityValue } from '../quantity.ts';
import type { Quantity } from '../quantity.ts';
import { count, one } from './amounts.ts';
import type { Amounts } from './amounts.ts';
import { meets } from './evaluator.ts';
import type { QuotaEvaluator } from './evaluator.ts';
import { RESOURCE_CLAIMS, resourceClaimEvaluator } from './resource-claims.ts';
import { podEvaluator } from './pod-evaluator.ts';

const OF_CLASS = '.storageclass.storage.k8s.io/';
/** Counted under their bare names too, from before there was `count/`. */
const ALIASES = new Set(['configmaps', 'resourcequotas', 'replicationcontrollers', 'secrets']);
/** Not stored, or never counted. Mirrors pkg/quota/v1/install/registry.go. */
const IGNORED = new Set(['bindings', 'componentstatuses', 'events', 'events.events.k8s.io']);

const qualified = (group: string, resource: string): string =>
  group === '' ? resource : `${resource}.${group}`;

/** How objects of this resource count; undefined for those that never do. */
export function evaluatorFor(group: string, resource: string): QuotaEvaluator | undefined {
  const name = qualified(group, resource);
  if (IGNORED.has(name) || /^(authentication|authorization)\.k8s\.io$/.test(group)) return undefined;
  if (name === 'pods') return podEvaluator;
  if (name === 'services') return serviceEvaluator;
  if (name === 'persistentvolumeclaims') return claimEvaluator;
  if (name === RESOURCE_CLAIMS) return resourceClaimEvaluator;
  return countEvaluator(name);
}

/** The resource ('deployments.apps') whose objects this name counts; undefined for amounts of pods and claims. */
export function countedResource(name: string): string | undefined {
  if (name.startsWith('count/')) return name.slice('count/'.length);
  return ALIASES.has(name) ? name : undefined;
}

/** Mirrors objectCountEvaluator of apiserver pkg/quota/v1/generic/evaluator.go. */
function countEvaluator(name: string): QuotaEvaluator {
  const names = [`count/${name}`, ...(ALIASES.has(name) ? [name] : [])];
  return {
    handles: ({ operation, subresource }) => subresource === '' && operation === 'CREATE',
    counts: (resource) => names.includes(resource),
    matchesScope: () => false,
    usage: () => new Map(names.map((resource) => [resource, one()])),
  };
}

/** Mirrors pkg/quota/v1/evaluator/core/services.go. */
const serviceEvaluator: QuotaEvaluator = {
  handles: ({ operation, subresource }) =>
    subresource === '' && (operation === 'CREATE' || operation === 'UPDATE'),
  counts: (name) => /^(count\/services|services(\.nodeports|\.loadbalancers)?)$/.test(name),
  matchesScope: () => false,
  usage(object) {
    const { spec } = object as Service;
    const ports = spec?.ports ?? [];
    let nodePorts = 0;
    const balanced = spec?.type === 'LoadBalancer';
    if (spec?.type === 'NodePort') nodePorts = ports.length;
    if (balanced) {
      const allocated = spec.allocateLoadBalancerNodePorts !== false;
      nodePorts = allocated ? ports.length : ports.filter((port) => (port.nodePort ?? 0) !== 0).length;
    }
    return new Map([
      ['count/services', one()],
      ['services', one()],
      ['services.nodeports', count(nodePorts)],
      ['services.loadbalancers', count(balanced ? 1 : 0)],
    ]);
  },
};

/** Mirrors pkg/quota/v1/evaluator/core/persistent_volume_claims.go. */
const claimEvaluator: QuotaEvaluator = {
  handles({ operation, subresource, object, oldObject }) {
    if (subresource === '') return operation === 'CREATE' || operation === 'UPDATE';
    if (subresource !== 'status' || !object || !oldObject) return false;
    const [now, before] = [object as PersistentVolumeClaim, oldObject as PersistentVolumeClaim];
    return (
      now.status?.allocatedResources?.storage !== before.status?.allocatedResources?.storage ||
      attributesClasses(now).join() !== attributesClasses(before).join()
    );
  },
  counts: (name) =>
    /^(count\/persistentvolumeclaims|persistentvolumeclaims|requests\.storage)$/.test(name) ||
    name.endsWith(`${OF_CLASS}persistentvolumeclaims`) ||
    name.endsWith(`${OF_CLASS}requests.storage`),
  matchesScope: (scope, object) =>
    scope.scopeName === 'VolumeAttributesClass' &&
    meets(scope, attributesClasses(object as PersistentVolumeClaim)),
  usage(object) {
    const claim = object as PersistentVolumeClaim;
    const usage: Amounts = new Map([
      ['persistentvolumeclaims', one()],
      ['count/persistentvolumeclaims', one()],
    ]);
    const annotation = claim.metadata?.annotations?.['volume.beta.kubernetes.io/storage-class'];
    const storageClass = annotation ?? claim.spec?.storageClassName ?? '';
    if (storageClass) usage.set(`${storageClass}${OF_CLASS}persistentvolumeclaims`, one());
    const storage = storageOf(claim);
    if (!storage) return usage;
    usage.set('requests.storage', storage);
    if (storageClass) usage.set(`${storageClass}${OF_CLASS}requests.storage`, storage);
    return usage;
  },
};

/** What is asked for or, while a growth is taken back, what is held already. */
function storageOf({ spec, status }: PersistentVolumeClaim): Quantity | undefined {
  const asked = spec?.resources?.requests?.storage;
  if (asked === undefined) return undefined;
  let storage = parseQuantity(asked);
  const allocated = status?.allocatedResources?.storage;
  if (allocated !== undefined) {
    const held = parseQuantity(allocated);
    if (compareQuantities(held, storage) > 0) storage = held;
  }
  return quantityFromValue(quantityValue(storage), storage.format);
}

function attributesClasses({ spec, status }: PersistentVolumeClaim): string[] {
  const names = [
    spec?.volumeAttributesClassName,
    status?.currentVolumeAttributesClassName,
    status?.modifyVolumeStatus?.targetVolumeAttributesClassName,
  ];
  return [...new Set(names.filter((name): name is string => !!name))].sort();
}
