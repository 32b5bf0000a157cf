import type { Pod, PodAffinityTerm } from '../../api/gen/types/core-v1.ts';
import type { LabelSelector } from '../../api/gen/types/meta-v1.ts';
import { selectorMatches } from '../../client/selectors.ts';
import type { SchedulerCache } from '../cache.ts';
import type { Plugin, Prepared, Rejection } from '../framework.ts';
import type { NodeInfo, PodInfo } from '../node-info.ts';

const AFFINITY: Rejection = { reasons: ["node(s) didn't match pod affinity rules"], unresolvable: true };
const ANTI_AFFINITY: Rejection = {
  reasons: ["node(s) didn't match pod anti-affinity rules"],
  unresolvable: false,
};
const EXISTING: Rejection = {
  reasons: ["node(s) didn't satisfy existing pods anti-affinity rules"],
  unresolvable: false,
};

/** Labels of namespaces, for terms that select namespaces. */
export type NamespaceLabels = (namespace: string) => Readonly<Record<string, string>> | undefined;

/** Pods near to or apart from other pods. Mirrors interpodaffinity. */
export function interPodAffinity(namespaceLabels: NamespaceLabels): Plugin {
  return {
    name: 'InterPodAffinity',
    weight: 2,
    prepare: (info, cache) => new Affinity(info, cache, namespaceLabels).prepared(),
    mayHelp: (_, event) =>
      event.kind !== 'NodeUpdated' || event.old.metadata?.labels !== event.node.metadata?.labels,
  };
}

/** 'key=value' of a topology to how many pods match there. */
type Domains = Map<string, number>;

class Affinity {
  readonly #info: PodInfo;
  readonly #cache: SchedulerCache;
  readonly #namespaceLabels: NamespaceLabels;

  constructor(info: PodInfo, cache: SchedulerCache, namespaceLabels: NamespaceLabels) {
    this.#info = info;
    this.#cache = cache;
    this.#namespaceLabels = namespaceLabels;
  }

  prepared(): Prepared | undefined {
    const { podAffinity, podAntiAffinity } = this.#info.pod.spec?.affinity ?? {};
    const near = podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const apart = podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
    const refused = this.#refusedDomains();
    const filters: Array<(node: NodeInfo) => Rejection | undefined> = [];
    if (near.length > 0) filters.push(this.#nearFilter(near));
    if (apart.length > 0) filters.push(this.#apartFilter(apart));
    if (refused.size > 0) filters.push((node) => (inAny(node, refused) ? EXISTING : undefined));
    const prefers =
      (podAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ?? 0) +
      (podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length ?? 0);
    const prepared: Prepared = {};
    if (filters.length > 0)
      prepared.filter = (node) => {
        for (const filter of filters) {
          const rejection = filter(node);
          if (rejection) return rejection;
        }
        return undefined;
      };
    if (prefers > 0) prepared.score = (nodes) => this.#scores(nodes);
    return prepared.filter || prepared.score ? prepared : undefined;
  }

  /** Where a pod that is there wants none like this one beside it. */
  #refusedDomains(): Domains {
    const domains: Domains = new Map();
    for (const node of this.#cache.nodesWithAntiAffinity())
      for (const { pod } of node.pods.values())
        for (const term of pod.spec?.affinity?.podAntiAffinity
          ?.requiredDuringSchedulingIgnoredDuringExecution ?? [])
          if (this.#selects(term, pod, this.#info.pod)) countIn(domains, node, term.topologyKey, 1);
    return domains;
  }

  #nearFilter(terms: readonly PodAffinityTerm[]): (node: NodeInfo) => Rejection | undefined {
    const domains = terms.map((term) => this.#domainsOf([term]));
    const nowhere = domains.every((found) => found.size === 0);
    // The first of a group that wants to be together must be let in somewhere.
    const first = nowhere && terms.every((term) => this.#selects(term, this.#info.pod, this.#info.pod));
    return (node) => {
      for (const [index, { topologyKey }] of terms.entries()) {
        if (node.labels[topologyKey] === undefined) return AFFINITY;
        if (!first && !inAny(node, domains[index] ?? new Map())) return AFFINITY;
      }
      return undefined;
    };
  }

  #apartFilter(terms: readonly PodAffinityTerm[]): (node: NodeInfo) => Rejection | undefined {
    const domains = this.#domainsOf(terms);
    return (node) => (inAny(node, domains) ? ANTI_AFFINITY : undefined);
  }

  /** Where pods are that a term selects. */
  #domainsOf(terms: readonly PodAffinityTerm[]): Domains {
    const domains: Domains = new Map();
    for (const node of this.#cache.nodes())
      for (const { pod } of node.pods.values())
        for (const term of terms)
          if (this.#selects(term, this.#info.pod, pod)) countIn(domains, node, term.topologyKey, 1);
    return domains;
  }

  #scores(nodes: readonly NodeInfo[]): number[] {
    const { podAffinity, podAntiAffinity } = this.#info.pod.spec?.affinity ?? {};
    const terms = [
      ...(podAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []),
      ...(podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).map(
        ({ weight, podAffinityTerm }) => ({ weight: -weight, podAffinityTerm }),
      ),
    ];
    const domains: Domains = new Map();
    for (const node of this.#cache.nodes())
      for (const { pod } of node.pods.values())
        for (const { weight, podAffinityTerm: term } of terms)
          if (this.#selects(term, this.#info.pod, pod)) countIn(domains, node, term.topologyKey, weight);
    const keys = [...new Set(terms.map(({ podAffinityTerm }) => podAffinityTerm.topologyKey))];
    const raw = nodes.map((node) =>
      keys.reduce((sum, key) => sum + (domains.get(domainOf(node, key)) ?? 0), 0),
    );
    const [min, max] = [Math.min(...raw), Math.max(...raw)];
    return raw.map((value) => (max === min ? 0 : (100 * (value - min)) / (max - min)));
  }

  /** Whether a term of `owner` selects `other`. */
  #selects(term: PodAffinityTerm, owner: Pod, other: Pod): boolean {
    const namespace = other.metadata?.namespace ?? '';
    const named = term.namespaces ?? [];
    const own =
      named.length === 0 && term.namespaceSelector === undefined && namespace === owner.metadata?.namespace;
    if (
      !own &&
      !named.includes(namespace) &&
      !(term.namespaceSelector && selectorMatches(term.namespaceSelector, this.#namespaceLabels(namespace)))
    )
      return false;
    return (
      !other.metadata?.deletionTimestamp && selectorMatches(narrowed(term, owner), other.metadata?.labels)
    );
  }
}

/** The term's selector with the owner's own values of matchLabelKeys and mismatchLabelKeys. */
function narrowed(
  { labelSelector, matchLabelKeys = [], mismatchLabelKeys = [] }: PodAffinityTerm,
  owner: Pod,
): LabelSelector | undefined {
  if (!labelSelector || matchLabelKeys.length + mismatchLabelKeys.length === 0) return labelSelector;
  const labels = owner.metadata?.labels ?? {};
  const expression = (operator: string) => (key: string) => ({ key, operator, values: [labels[key] ?? ''] });
  const has = (key: string): boolean => labels[key] !== undefined;
  const more = [
    ...matchLabelKeys.filter(has).map(expression('In')),
    ...mismatchLabelKeys.filter(has).map(expression('NotIn')),
  ];
  return { ...labelSelector, matchExpressions: [...(labelSelector.matchExpressions ?? []), ...more] };
}

function domainOf(node: NodeInfo, key: string): string {
  return `${key}=${node.labels[key] ?? ''}`;
}

function countIn(domains: Domains, node: NodeInfo, key: string, weight: number): void {
  if (node.labels[key] === undefined) return;
  const domain = domainOf(node, key);
  domains.set(domain, (domains.get(domain) ?? 0) + weight);
}

function inAny(node: NodeInfo, domains: Domains): boolean {
  for (const domain of domains.keys()) {
    const at = domain.indexOf('=');
    if (node.labels[domain.slice(0, at)] === domain.slice(at + 1)) return true;
  }
  return false;
}
