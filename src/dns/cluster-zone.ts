import { isIPv4, isIPv6 } from 'node:net';
import type { Namespace, Service, ServicePort } from '../api/gen/types/core-v1.ts';
import type { Endpoint, EndpointSlice } from '../api/gen/types/discovery-v1.ts';
import type { Informer } from '../client/informer.ts';
import type { DnsRecord } from './encode.ts';
import { addressOfReverseName } from './reverse.ts';
import { RCODE, TYPE } from './wire.ts';

/** Version of the Kubernetes DNS specification that the answers follow. */
const SPECIFICATION = '1.1.0';
/** Lifetime of every record and of every denial: endpoints change, and clients should notice. */
export const TTL_SECONDS = 5;

export interface ClusterZoneOptions {
  /** 'cluster.local' */
  domain: string;
  /** With the index 'ip': cluster addresses. */
  services: Informer<Service>;
  /** With the indexes 'service' ('namespace/name') and 'ip': addresses of endpoints that have a host name. */
  slices: Informer<EndpointSlice>;
  namespaces: Informer<Namespace>;
  /** Addresses of this DNS server, for the zone's own name server record. */
  addresses: readonly string[];
}

/** What the cluster's names say to a question. */
export interface ZoneAnswer {
  rcode: number;
  answers: DnsRecord[];
  additional: DnsRecord[];
  /** An ExternalName Service: whoever asks for addresses wants those of this name. */
  alias?: string;
}

const nothing = (): ZoneAnswer => ({ rcode: RCODE.NOERROR, answers: [], additional: [] });
const unknown = (): ZoneAnswer => ({ rcode: RCODE.NXDOMAIN, answers: [], additional: [] });

interface NamedEndpoint {
  hostname: string;
  address: string;
  ports: NonNullable<EndpointSlice['ports']>;
}

/**
 * Names of Services, endpoints and pods, by the Kubernetes DNS specification. Answers are made from the informers
 * when asked: nothing is kept beside them.
 */
export class ClusterZone {
  readonly domain: string;
  readonly #options: ClusterZoneOptions;
  readonly #labels: readonly string[];

  constructor(options: ClusterZoneOptions) {
    this.domain = options.domain.toLowerCase().replace(/\.$/, '');
    this.#options = options;
    this.#labels = this.domain.split('.');
  }

  /** Whether a name lies in the cluster's domain. */
  contains(name: string): boolean {
    return name === this.domain || name.endsWith(`.${this.domain}`);
  }

  /** The zone's start of authority, which also says how long a denial may be kept. */
  get authority(): DnsRecord {
    return {
      type: 'SOA',
      name: this.domain,
      ttl: TTL_SECONDS,
      mname: `ns.dns.${this.domain}`,
      rname: `hostmaster.${this.domain}`,
      serial: 1,
      minimum: TTL_SECONDS,
    };
  }

  /** Answers a question for a name in the domain; `name` is lower case. */
  answer(name: string, type: number): ZoneAnswer {
    const labels = name.split('.');
    const path = labels.slice(0, labels.length - this.#labels.length).toReversed();
    const [first, namespace, service, second, third] = path;
    if (first === undefined) return this.#apex(name, type);
    if (first === 'svc' && path.length <= 5) {
      if (namespace === undefined) return nothing();
      if (service === undefined) return this.#namespaceExists(namespace) ? nothing() : unknown();
      return this.#service(name, type, namespace, service, second, third);
    }
    if (first === 'pod' && path.length <= 3) {
      if (namespace === undefined) return nothing();
      if (!this.#namespaceExists(namespace)) return unknown();
      return service === undefined ? nothing() : this.#pod(name, type, service);
    }
    if (first === 'dns-version' && path.length === 1) {
      return only(type === TYPE.TXT && { type: 'TXT', name, ttl: TTL_SECONDS, text: SPECIFICATION });
    }
    if (first === 'dns' && path.length === 1) return nothing();
    if (first === 'dns' && namespace === 'ns' && path.length === 2) {
      return { ...nothing(), answers: addressRecords(name, type, this.#options.addresses) };
    }
    return unknown();
  }

  #namespaceExists(namespace: string): boolean {
    return this.#options.namespaces.get(namespace) !== undefined;
  }

  #apex(name: string, type: number): ZoneAnswer {
    if (type === TYPE.SOA) return only(this.authority);
    return only(type === TYPE.NS && { type: 'NS', name, ttl: TTL_SECONDS, target: `ns.dns.${this.domain}` });
  }

  /** IPs of pods as names: 10-244-1-5.default.pod.cluster.local; v6 with dashes for colons. */
  #pod(name: string, type: number, label: string): ZoneAnswer {
    const v4 = label.replaceAll('-', '.');
    const v6 = label.replaceAll('-', ':');
    const address = isIPv4(v4) ? v4 : isIPv6(v6) ? v6 : undefined;
    if (address === undefined) return unknown();
    return { ...nothing(), answers: addressRecords(name, type, [address]) };
  }

  #service(
    name: string,
    type: number,
    namespace: string,
    serviceName: string,
    second: string | undefined,
    third: string | undefined,
  ): ZoneAnswer {
    const service = this.#options.services.get(serviceName, namespace);
    if (!service?.spec) return unknown();
    if (service.spec.type === 'ExternalName') {
      const alias = service.spec.externalName?.toLowerCase().replace(/\.$/, '');
      if (second !== undefined || !alias) return unknown();
      return { ...only({ type: 'CNAME', name, ttl: TTL_SECONDS, target: alias }), alias };
    }
    const base = `${serviceName}.${namespace}.svc.${this.domain}`;
    if (third !== undefined) return this.#port(name, type, service, base, third, second ?? '');
    if (second !== undefined) return this.#endpoint(name, type, service, second);
    if (!isHeadless(service)) {
      const ips = clusterIps(service);
      if (type === TYPE.SRV) return this.#servicePorts(name, base, service, service.spec.ports ?? []);
      return { ...nothing(), answers: addressRecords(name, type, ips) };
    }
    const endpoints = this.#endpoints(service);
    // The specification: a headless Service without ready endpoints has no name.
    if (endpoints.length === 0) return unknown();
    if (type === TYPE.SRV) return this.#endpointPorts(name, base, endpoints, () => true);
    const addresses = [...new Set(endpoints.map(({ address }) => address))];
    return { ...nothing(), answers: addressRecords(name, type, addresses) };
  }

  /** 'web-0.web.default.svc…', and the empty '_tcp.web.default.svc…' above port names. */
  #endpoint(name: string, type: number, service: Service, label: string): ZoneAnswer {
    if (/^_(tcp|udp|sctp)$/.test(label)) return nothing();
    const found = this.#endpoints(service).filter(({ hostname }) => hostname === label);
    if (found.length === 0) return unknown();
    const addresses = [...new Set(found.map(({ address }) => address))];
    return { ...nothing(), answers: addressRecords(name, type, addresses) };
  }

  /** '_http._tcp.web.default.svc…' */
  #port(
    name: string,
    type: number,
    service: Service,
    base: string,
    portLabel: string,
    protocolLabel: string,
  ): ZoneAnswer {
    if (!portLabel.startsWith('_') || !protocolLabel.startsWith('_')) return unknown();
    const matches = (port: { name?: string; protocol?: string }) =>
      port.name?.toLowerCase() === portLabel.slice(1) &&
      (port.protocol ?? 'TCP').toLowerCase() === protocolLabel.slice(1);
    let answer: ZoneAnswer;
    if (isHeadless(service)) {
      answer = this.#endpointPorts(name, base, this.#endpoints(service), matches);
    } else {
      answer = this.#servicePorts(name, base, service, (service.spec?.ports ?? []).filter(matches));
    }
    if (answer.answers.length === 0) return unknown();
    return type === TYPE.SRV || type === TYPE.ANY ? answer : nothing();
  }

  #servicePorts(name: string, base: string, service: Service, ports: readonly ServicePort[]): ZoneAnswer {
    const answers = ports.map(({ port }): DnsRecord => serviceRecord(name, port, base));
    const additional = answers.length > 0 ? addressRecords(base, TYPE.ANY, clusterIps(service)) : [];
    return { rcode: RCODE.NOERROR, answers, additional };
  }

  #endpointPorts(
    name: string,
    base: string,
    endpoints: readonly NamedEndpoint[],
    matches: (port: { name?: string; protocol?: string }) => boolean,
  ): ZoneAnswer {
    const answers: DnsRecord[] = [];
    const additional: DnsRecord[] = [];
    for (const { hostname, address, ports } of endpoints) {
      const target = `${hostname}.${base}`;
      const matching = ports.filter((port) => port.port !== undefined && matches(port));
      for (const { port = 0 } of matching) answers.push(serviceRecord(name, port, target));
      if (matching.length > 0) additional.push(...addressRecords(target, TYPE.ANY, [address]));
    }
    return { rcode: RCODE.NOERROR, answers, additional };
  }

  /** The ready endpoints of a Service; one without a host name of its own is called by its address. */
  #endpoints(service: Service): NamedEndpoint[] {
    const { namespace = '', name = '' } = service.metadata ?? {};
    const found = new Map<string, NamedEndpoint>();
    for (const slice of this.#options.slices.byIndex('service', `${namespace}/${name}`)) {
      if (slice.addressType === 'FQDN') continue;
      for (const endpoint of slice.endpoints ?? []) {
        const [address] = endpoint.addresses;
        if (address === undefined || !isReady(endpoint)) continue;
        const hostname = (endpoint.hostname || address.replaceAll(/[.:]/g, '-')).toLowerCase();
        found.set(`${hostname} ${address}`, { hostname, address, ports: slice.ports ?? [] });
      }
    }
    return [...found.values()];
  }

  /** Answers for names under in-addr.arpa and ip6.arpa; undefined where the address is none of the cluster's. */
  reverse(name: string, type: number): ZoneAnswer | undefined {
    const address = addressOfReverseName(name);
    if (address === undefined) return undefined;
    const targets = new Set<string>();
    for (const service of this.#options.services.byIndex('ip', address)) {
      targets.add(`${service.metadata?.name}.${service.metadata?.namespace}.svc.${this.domain}`);
    }
    if (targets.size === 0) {
      for (const slice of this.#options.slices.byIndex('ip', address)) {
        const service = slice.metadata?.labels?.['kubernetes.io/service-name'];
        for (const { addresses, hostname } of slice.endpoints ?? []) {
          if (!hostname || !addresses.includes(address)) continue;
          targets.add(`${hostname.toLowerCase()}.${service}.${slice.metadata?.namespace}.svc.${this.domain}`);
        }
      }
    }
    if (targets.size === 0) return undefined;
    const asked = type === TYPE.PTR || type === TYPE.ANY;
    const answers = asked
      ? [...targets].map((target): DnsRecord => ({ type: 'PTR', name, ttl: TTL_SECONDS, target }))
      : [];
    return { ...nothing(), answers };
  }
}

function only(record: DnsRecord | false): ZoneAnswer {
  return { ...nothing(), answers: record === false ? [] : [record] };
}

function serviceRecord(name: string, port: number, target: string): DnsRecord {
  return { type: 'SRV', name, ttl: TTL_SECONDS, priority: 0, weight: 100, port, target };
}

/** A and AAAA records of the kind that is asked for. */
function addressRecords(name: string, type: number, addresses: readonly string[]): DnsRecord[] {
  const records: DnsRecord[] = [];
  for (const address of addresses) {
    const kind = isIPv4(address) ? 'A' : 'AAAA';
    if (type === TYPE[kind] || type === TYPE.ANY)
      records.push({ type: kind, name, ttl: TTL_SECONDS, address });
  }
  return records;
}

export function clusterIps(service: Service): string[] {
  const { clusterIPs, clusterIP } = service.spec ?? {};
  return (clusterIPs ?? (clusterIP === undefined ? [] : [clusterIP])).filter(
    (ip) => isIPv4(ip) || isIPv6(ip),
  );
}

const isHeadless = (service: Service): boolean => clusterIps(service).length === 0;

const isReady = ({ conditions }: Endpoint): boolean => conditions?.ready !== false;
