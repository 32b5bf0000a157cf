import { LIMITRANGES, PERSISTENTVOLUMECLAIMS, PODS } from '../../api/gen/resources.ts';
import type {
  Container,
  LimitRange,
  LimitRangeItem,
  PersistentVolumeClaim,
  Pod,
} from '../../api/gen/types/core-v1.ts';
import { formatQuantity, quantityToNumber } from '../../api/quantity.ts';
import type { Quantity } from '../../api/quantity.ts';
import { readAmounts } from '../../api/quota/amounts.ts';
import type { Amounts } from '../../api/quota/amounts.ts';
import { podLimits, podRequests } from '../../api/quota/pod-amounts.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../admission-plugin.ts';
import { isOn, objectOf, refuse } from './review.ts';

const ANNOTATION = 'kubernetes.io/limit-ranger';

/** Defaults and bounds of what pods and claims ask for. Mirrors plugin/pkg/admission/limitranger/admission.go. */
export const limitRanger: AdmissionPlugin = {
  name: 'LimitRanger',
  handles(attributes) {
    const { operation } = attributes;
    if (operation === 'UPDATE') {
      return isOn(attributes, PODS, 'resize') || isOn(attributes, PERSISTENTVOLUMECLAIMS);
    }
    return operation === 'CREATE' && (isOn(attributes, PODS) || isOn(attributes, PERSISTENTVOLUMECLAIMS));
  },
  async admit(attributes, store) {
    if (!concerns(attributes) || attributes.resource.resource !== 'pods') return;
    const pod = objectOf<Pod>(attributes);
    for (const range of await store.list(LIMITRANGES, attributes.namespace)) setDefaults(pod, range);
  },
  async validate(attributes, store) {
    if (!concerns(attributes)) return;
    for (const range of await store.list(LIMITRANGES, attributes.namespace)) {
      const errors =
        attributes.resource.resource === 'pods'
          ? podErrors(objectOf<Pod>(attributes), range)
          : claimErrors(objectOf<PersistentVolumeClaim>(attributes), range);
      const distinct = [...new Set(errors)];
      if (distinct.length === 1) throw refuse(attributes, distinct[0] ?? '');
      if (distinct.length > 1) throw refuse(attributes, `[${distinct.join(', ')}]`);
    }
  },
};

/** What is being deleted may end whatever its size. */
function concerns({ operation, oldObject }: AdmissionAttributes): boolean {
  return operation !== 'UPDATE' || oldObject?.metadata?.deletionTimestamp === undefined;
}

function setDefaults(pod: Pod, { spec }: LimitRange): void {
  const requests: Record<string, string> = {};
  const limits: Record<string, string> = {};
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    Object.assign(requests, item.defaultRequest);
    Object.assign(limits, item.default);
  }
  const told: string[] = [];
  const fill = (container: Container, what: string): void => {
    for (const [kind, defaults] of [
      ['requests', requests],
      ['limits', limits],
    ] as const) {
      const given = container.resources?.[kind] ?? {};
      const absent = Object.keys(defaults)
        .filter((name) => given[name] === undefined)
        .sort();
      if (absent.length === 0) continue;
      const added = Object.fromEntries(absent.map((name) => [name, defaults[name] ?? '0']));
      container.resources = { ...container.resources, [kind]: { ...given, ...added } };
      told.push(`${absent.join(', ')} ${kind.slice(0, -1)} for ${what} ${container.name}`);
    }
  };
  for (const container of pod.spec?.containers ?? []) fill(container, 'container');
  for (const container of pod.spec?.initContainers ?? []) fill(container, 'init container');
  if (told.length === 0) return;
  pod.metadata ??= {};
  pod.metadata.annotations = {
    ...pod.metadata.annotations,
    [ANNOTATION]: `LimitRanger plugin set: ${told.join('; ')}`,
  };
}

function podErrors(pod: Pod, { spec }: LimitRange): string[] {
  const options = { fromStatus: false, overhead: false };
  return (spec?.limits ?? []).flatMap((item) => {
    if (item.type === 'Pod') return bounds(item, podRequests(pod, options), podLimits(pod, options));
    if (item.type !== 'Container') return [];
    return [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])].flatMap(({ resources }) =>
      bounds(item, readAmounts(resources?.requests), readAmounts(resources?.limits)),
    );
  });
}

function claimErrors(claim: PersistentVolumeClaim, { spec }: LimitRange): string[] {
  const requests = readAmounts(claim.spec?.resources?.requests);
  return (spec?.limits ?? [])
    .filter(({ type }) => type === 'PersistentVolumeClaim')
    .flatMap((item) => [
      ...each(item.min, (name, least) => tooLittle(item.type, name, least, requests, new Map())),
      ...each(item.max, (name, most) => claimTooMuch(item.type, name, most, requests)),
    ]);
}

function bounds(item: LimitRangeItem, requests: Amounts, limits: Amounts): string[] {
  return [
    ...each(item.min, (name, least) => tooLittle(item.type, name, least, requests, limits)),
    ...each(item.max, (name, most) => tooMuch(item.type, name, most, requests, limits)),
    ...each(item.maxLimitRequestRatio, (name, most) => tooWide(item.type, name, most, requests, limits)),
  ];
}

function each(
  list: Record<string, string> | undefined,
  check: (name: string, bound: Quantity) => string | undefined,
): string[] {
  return [...readAmounts(list)].flatMap(([name, bound]) => check(name, bound) ?? []);
}

function tooLittle(
  type: string,
  name: string,
  least: Quantity,
  requests: Amounts,
  limits: Amounts,
): string | undefined {
  const said = `minimum ${name} usage per ${type} is ${formatQuantity(least)}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!request) return `${said}.  No request is specified`;
  if (request.nanos < least.nanos) return `${said}, but request is ${formatQuantity(request)}`;
  if (limit && limit.nanos < least.nanos) return `${said}, but limit is ${formatQuantity(limit)}`;
  return undefined;
}

function tooMuch(
  type: string,
  name: string,
  most: Quantity,
  requests: Amounts,
  limits: Amounts,
): string | undefined {
  const said = `maximum ${name} usage per ${type} is ${formatQuantity(most)}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!limit) return `${said}.  No limit is specified`;
  if (limit.nanos > most.nanos) return `${said}, but limit is ${formatQuantity(limit)}`;
  if (request && request.nanos > most.nanos) return `${said}, but request is ${formatQuantity(request)}`;
  return undefined;
}

function claimTooMuch(type: string, name: string, most: Quantity, requests: Amounts): string | undefined {
  const said = `maximum ${name} usage per ${type} is ${formatQuantity(most)}`;
  const request = requests.get(name);
  if (!request) return `${said}.  No request is specified`;
  return request.nanos > most.nanos ? `${said}, but request is ${formatQuantity(request)}` : undefined;
}

function tooWide(
  type: string,
  name: string,
  most: Quantity,
  requests: Amounts,
  limits: Amounts,
): string | undefined {
  const said = `${name} max limit to request ratio per ${type} is ${formatQuantity(most)}`;
  const [request, limit] = [requests.get(name), limits.get(name)];
  if (!request?.nanos) return `${said}, but no request is specified or request is 0`;
  if (!limit?.nanos) return `${said}, but no limit is specified or limit is 0`;
  const ratio = quantityToNumber(limit) / quantityToNumber(request);
  return ratio > quantityToNumber(most) ? `${said}, but provided ratio is ${ratio.toFixed(6)}` : undefined;
}
