import type { Pod } from '../../api/gen/types/core-v1.ts';
import type { DnsConfig } from '../cri/runtime.ts';
import { namespaceOf, specOf } from '../pods/pod-spec.ts';

/** glibc reads three servers; upstream refuses to write more, and 32 search domains of 2048 characters. */
const MAX_SERVERS = 3;
const MAX_SEARCHES = 32;
const MAX_SEARCH_CHARACTERS = 2048;

export interface DnsSettings {
  /** Of the cluster; without any, ClusterFirst pods get the node's. */
  clusterDns: readonly string[];
  clusterDomain: string;
  /** The node's resolv.conf. */
  node: DnsConfig;
}

/** The text of a resolv.conf as servers, search domains and options; the last 'search' line counts. */
export function parseResolvConf(text: string): DnsConfig {
  const result: DnsConfig = { servers: [], searches: [], options: [] };
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    if (!keyword || /^[#;]/.test(keyword)) continue;
    if (keyword === 'nameserver' && values[0]) result.servers.push(values[0]);
    // A dot alone says "no search list".
    if (keyword === 'search')
      result.searches = values.map((name) => (name === '.' ? name : name.replace(/\.$/, '')));
    if (keyword === 'options') result.options.push(...values);
  }
  return result;
}

/** The pod's resolv.conf by its dnsPolicy and dnsConfig. Mirrors pkg/kubelet/network/dns/dns.go. */
export function podDns(pod: Pod, settings: DnsSettings): DnsConfig {
  const spec = specOf(pod);
  const base = byPolicy(pod, settings);
  const extra = spec.dnsConfig;
  const servers = unique([...base.servers, ...(extra?.nameservers ?? [])]);
  const searches = unique([...base.searches, ...(extra?.searches ?? [])]);
  return {
    servers: servers.slice(0, MAX_SERVERS),
    searches: limitSearches(searches),
    options: mergeOptions(base.options, extra?.options ?? []),
  };
}

function byPolicy(pod: Pod, { clusterDns, clusterDomain, node }: DnsSettings): DnsConfig {
  const spec = specOf(pod);
  const policy = spec.dnsPolicy ?? 'ClusterFirst';
  if (policy === 'None') return { servers: [], searches: [], options: [] };
  // On the host's network ClusterFirst means the node's, unless it says WithHostNet.
  const ofCluster =
    policy === 'ClusterFirstWithHostNet' || (policy === 'ClusterFirst' && spec.hostNetwork !== true);
  if (!ofCluster || clusterDns.length === 0) {
    const servers = node.servers.length > 0 || policy === 'Default' ? node.servers : ['127.0.0.1'];
    return { ...node, servers };
  }
  const domains =
    clusterDomain === ''
      ? []
      : [`${namespaceOf(pod)}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
  return { servers: [...clusterDns], searches: [...domains, ...node.searches], options: ['ndots:5'] };
}

/** Options by name; the pod's own replace those of the policy. */
function mergeOptions(base: string[], own: Array<{ name?: string; value?: string }>): string[] {
  const merged = new Map(base.map((option) => [option.split(':')[0] ?? option, option]));
  for (const { name, value } of own) {
    if (name) merged.set(name, value === undefined || value === '' ? name : `${name}:${value}`);
  }
  return [...merged.values()];
}

function limitSearches(searches: string[]): string[] {
  const kept: string[] = [];
  let characters = 0;
  for (const search of searches.slice(0, MAX_SEARCHES)) {
    characters += search.length + (kept.length > 0 ? 1 : 0);
    if (characters > MAX_SEARCH_CHARACTERS) break;
    kept.push(search);
  }
  return kept;
}

const unique = (names: string[]): string[] => [...new Set(names)];
