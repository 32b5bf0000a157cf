import { FAMILY_TERMS, type Family } from './family.ts';

/** Our table, in both families; nobody else writes to it. */
export const TABLE = 'slipway-proxy';

/** Bit of the packet mark that asks for masquerading: the one kube-proxy uses, so that nobody else does. */
const MASQUERADE_MARK = '0x4000';
export const MASQUERADE_RULE = `meta mark set meta mark or ${MASQUERADE_MARK}`;

/** Sets and maps that the Services fill, by what an element's key is made of. */
export type Container =
  | 'cluster-ips'
  | 'nodeport-ips'
  | 'service-ips'
  | 'service-nodeports'
  | 'no-endpoint-services'
  | 'no-endpoint-nodeports'
  | 'firewall-ips'
  | 'hairpin-connections';

export interface SkeletonOptions {
  family: Family;
  /** Pod ranges of the family: what comes from elsewhere to a cluster IP is masqueraded. */
  clusterCidrs: readonly string[];
}

/**
 * The part of the table that no Service changes: hooks, the order of checks, and the empty maps that dispatch on
 * address, protocol and port in one look-up. Mirrors pkg/proxy/nftables/proxier.go, setupNFTables.
 */
export function skeleton({ family, clusterCidrs }: SkeletonOptions): string {
  const { ip, addressType, loopback } = FAMILY_TERMS[family];
  const address = `${addressType} . inet_proto . inet_service`;
  const nodePort = 'inet_proto . inet_service';
  const destination = `${ip} daddr . meta l4proto . th dport`;
  const outside = `${ip} daddr @cluster-ips ${ip} saddr != { ${clusterCidrs.join(', ')} } ${MASQUERADE_RULE}`;
  const marked = `meta mark and ${MASQUERADE_MARK} != 0 meta mark set meta mark xor ${MASQUERADE_MARK}`;
  const hairpin = `ct status dnat ${ip} saddr . ${destination} @hairpin-connections`;
  const parts = [
    set('cluster-ips', addressType),
    set('nodeport-ips', addressType),
    set('hairpin-connections', `${addressType} . ${address}`),
    map('service-ips', address),
    map('service-nodeports', nodePort),
    map('no-endpoint-services', address),
    map('no-endpoint-nodeports', nodePort),
    map('firewall-ips', address),

    chain('reject-chain', ['reject']),
    chain('firewall-check', [`${destination} vmap @firewall-ips`]),
    chain('service-endpoints-check', [`${destination} vmap @no-endpoint-services`]),
    chain('nodeport-endpoints-check', [
      `${ip} daddr @nodeport-ips meta l4proto . th dport vmap @no-endpoint-nodeports`,
    ]),
    chain('cluster-ips-check', [`${ip} daddr @cluster-ips reject`]),
    chain('services', [
      ...(clusterCidrs.length > 0 ? [outside] : []),
      `${destination} vmap @service-ips`,
      `${ip} daddr != ${loopback} ${ip} daddr @nodeport-ips meta l4proto . th dport vmap @service-nodeports`,
    ]),
    chain('masquerading', [`${marked} masquerade fully-random`, `${hairpin} masquerade fully-random`]),

    // Source ranges are checked before the destination is rewritten, the rest where reject is allowed.
    base('filter-prerouting-pre-dnat', 'filter', 'prerouting', -110, [ifNew('firewall-check')]),
    base('filter-output-pre-dnat', 'filter', 'output', -110, [ifNew('firewall-check')]),
    base('filter-input', 'filter', 'input', 0, [
      ifNew('nodeport-endpoints-check'),
      ifNew('service-endpoints-check'),
    ]),
    base('filter-forward', 'filter', 'forward', 0, [
      ifNew('service-endpoints-check'),
      ifNew('cluster-ips-check'),
    ]),
    base('filter-output', 'filter', 'output', 0, [
      ifNew('service-endpoints-check'),
      ifNew('cluster-ips-check'),
    ]),
    base('nat-prerouting', 'nat', 'prerouting', -100, ['jump services']),
    base('nat-output', 'nat', 'output', -100, ['jump services']),
    base('nat-postrouting', 'nat', 'postrouting', 100, ['jump masquerading']),
  ];
  return `table ${ip} ${TABLE} {\n${parts.join('')}}\n`;
}

const ifNew = (chain: string): string => `ct state new jump ${chain}`;

const set = (name: Container, type: string): string => `\tset ${name} {\n\t\ttype ${type}\n\t}\n`;

const map = (name: Container, key: string): string => `\tmap ${name} {\n\t\ttype ${key} : verdict\n\t}\n`;

const chain = (name: string, rules: readonly string[]): string =>
  `\tchain ${name} {\n${rules.map((rule) => `\t\t${rule}\n`).join('')}\t}\n`;

const base = (name: string, type: string, hook: string, priority: number, rules: readonly string[]): string =>
  chain(name, [`type ${type} hook ${hook} priority ${priority}; policy accept;`, ...rules]);
