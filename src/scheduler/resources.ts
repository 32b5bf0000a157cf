import type { Container, Pod } from '../api/gen/types/core-v1.ts';
import { parseQuantity, quantityMilliValue, quantityToNumber } from '../api/quantity.ts';

/** Amounts by resource name: cpu in thousandths of a core, everything else in whole units (bytes, pieces). */
export type Amounts = Map<string, number>;

type Quantities = Readonly<Record<string, string>> | undefined;

const parsed = new Map<string, number>();
const CACHE_LIMIT = 10_000;

function amountOf(name: string, text: string): number {
  const key = name === 'cpu' ? `c${text}` : text;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const quantity = parseQuantity(text);
  const amount =
    name === 'cpu' ? Number(quantityMilliValue(quantity)) : Math.ceil(quantityToNumber(quantity));
  if (parsed.size >= CACHE_LIMIT) parsed.clear();
  parsed.set(key, amount);
  return amount;
}

export function amountsOf(quantities: Quantities): Amounts {
  const amounts: Amounts = new Map();
  for (const [name, text] of Object.entries(quantities ?? {})) amounts.set(name, amountOf(name, text));
  return amounts;
}

export function add(to: Amounts, from: Amounts, sign: 1 | -1 = 1): void {
  for (const [name, amount] of from) to.set(name, (to.get(name) ?? 0) + sign * amount);
}

function raise(to: Amounts, floor: Amounts): void {
  for (const [name, amount] of floor) if (amount > (to.get(name) ?? 0)) to.set(name, amount);
}

type RequestOf = (container: Container) => Amounts;

/**
 * What the pod needs at its most demanding moment: all containers and sidecars together, or an init container
 * beside the sidecars that run before it; plus overhead. Mirrors component-helpers/resource/helpers.go.
 */
export function podRequests(pod: Pod): Amounts {
  return total(pod, (container) => resizedRequests(pod, container));
}

const DEFAULT_MILLI_CPU = 100;
const DEFAULT_MEMORY = 200 * 1024 * 1024;

/** As podRequests, with a guess for containers that ask for no cpu or memory: for scores, never for fit. */
export function scoredRequests(pod: Pod): Amounts {
  return total(pod, (container) => {
    const amounts = resizedRequests(pod, container);
    if (!amounts.has('cpu')) amounts.set('cpu', DEFAULT_MILLI_CPU);
    if (!amounts.has('memory')) amounts.set('memory', DEFAULT_MEMORY);
    return amounts;
  });
}

function total(pod: Pod, requestOf: RequestOf): Amounts {
  const sum: Amounts = new Map();
  for (const container of pod.spec?.containers ?? []) add(sum, requestOf(container));
  const sidecars: Amounts = new Map();
  const peak: Amounts = new Map();
  for (const container of pod.spec?.initContainers ?? []) {
    const request = requestOf(container);
    if (container.restartPolicy === 'Always') {
      add(sum, request);
      add(sidecars, request);
      raise(peak, sidecars);
    } else {
      add(request, sidecars);
      raise(peak, request);
    }
  }
  raise(sum, peak);
  // Requests of the pod as a whole stand in place of its containers'.
  for (const [name, amount] of amountsOf(pod.spec?.resources?.requests)) sum.set(name, amount);
  add(sum, amountsOf(pod.spec?.overhead));
  return sum;
}

/** While a resize is under way the node holds the larger of what is wanted and what is allocated. */
function resizedRequests(pod: Pod, container: Container): Amounts {
  const wanted = amountsOf(container.resources?.requests);
  const status = pod.status?.containerStatuses?.find(({ name }) => name === container.name);
  if (status?.allocatedResources) raise(wanted, amountsOf(status.allocatedResources));
  return wanted;
}
