import { IPADDRESSES, SERVICECIDRS, SERVICES } from '../../../api/gen/resources.ts';
import type { Service } from '../../../api/gen/types/core-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { messageOf } from '../../../base/errors.ts';
import { invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ObjectStore } from '../../object-store.ts';
import type { StrategyContext, Undo } from '../../resource-definition.ts';
import { StatusError, internalError, invalidObject } from '../../status-errors.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { AddressError, ClusterIps, managedByUs } from './cluster-ips.ts';
import { NodePorts, PortError } from './node-ports.ts';
import {
  heldAddresses,
  heldNodePorts,
  isHeadless,
  needsClusterIp,
  needsHealthCheck,
  needsNodePorts,
} from './service-rules.ts';

const KIND = { group: '', kind: 'Service' };
/** An address without a service may belong to one that is just being written. */
const ORPHAN_AGE_MS = 60_000;

/** The cluster's service addresses and node ports: what services take when they are written. */
export class ServiceNetwork {
  readonly families: readonly string[];
  readonly #ranges: readonly string[];
  readonly #ips: readonly ClusterIps[];
  readonly #ports: NodePorts;
  #orphanPorts: ReadonlySet<number> = new Set();

  constructor(environment: Pick<ResourceEnvironment, 'serviceClusterIpRanges' | 'serviceNodePortRange'>) {
    this.#ranges = environment.serviceClusterIpRanges;
    this.#ips = this.#ranges.map((range) => new ClusterIps(range));
    this.families = this.#ips.map((ips) => ips.family);
    this.#ports = new NodePorts(environment.serviceNodePortRange);
  }

  /**
   * Takes what the service needs and does not hold yet, and writes it into the object. Resolves with the
   * way back; rejects with 422 where something asked for is taken.
   */
  async take(
    service: Service,
    old: Service | undefined,
    context: StrategyContext,
  ): Promise<Undo | undefined> {
    // A trial takes nothing; it may therefore show an address that the real write will not get.
    if (context.request.dryRun) {
      this.#checkRanges(service, old);
      return undefined;
    }
    const { store } = context;
    const addresses: string[] = [];
    let ports: number[] = [];
    const undo = async () => {
      for (const address of addresses) await this.#releaseAddress(store, address, service);
      await this.#ports.release(store, ports);
    };
    try {
      await this.#takeAddresses(store, service, old, addresses);
      ports = await this.#takePorts(store, service, old);
    } catch (error) {
      await undo();
      throw error;
    }
    return addresses.length + ports.length > 0 ? undo : undefined;
  }

  /** Gives back what the old state held and the new one (undefined: deleted) does not. */
  async giveBack(store: ObjectStore, old: Service, now: Service | undefined): Promise<void> {
    const kept = new Set(heldAddresses(now));
    for (const address of heldAddresses(old)) {
      if (!kept.has(address)) await this.#releaseAddress(store, address, old);
    }
    const ports = new Set(heldNodePorts(now));
    await this.#ports.release(
      store,
      heldNodePorts(old).filter((port) => !ports.has(port)),
    );
  }

  #checkRanges(service: Service, old: Service | undefined): void {
    const { spec } = service;
    if (!spec || !needsClusterIp(spec) || isHeadless(spec)) return;
    const held = new Set(needsClusterIp(old?.spec) ? heldAddresses(old) : []);
    const wanted = spec.clusterIPs ?? [];
    wanted.forEach((address, index) => {
      const family = spec.ipFamilies?.[index] ?? this.families[0];
      if (address === '' || held.has(address)) return;
      try {
        this.#ips.find((one) => one.family === family)?.checkRange(address);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        const why = `failed to allocate IP ${address}: ${messageOf(error)}`;
        throw refused(service, invalid('spec.clusterIPs', wanted, why));
      }
    });
  }

  async #takeAddresses(
    store: ObjectStore,
    service: Service,
    old: Service | undefined,
    taken: string[],
  ): Promise<void> {
    const spec = service.spec;
    if (!spec || !needsClusterIp(spec) || isHeadless(spec)) return;
    const held = new Set(needsClusterIp(old?.spec) ? heldAddresses(old) : []);
    const wanted = spec.clusterIPs ?? [];
    const families = spec.ipFamilies ?? [];
    const result: string[] = [];
    for (let index = 0; index < Math.max(families.length, wanted.length, 1); index += 1) {
      const family = families[index] ?? this.families[0];
      const address = wanted[index] ?? '';
      const ips = this.#ips.find((one) => one.family === family);
      if (!ips) continue;
      if (address !== '' && held.has(address)) {
        result.push(address);
        continue;
      }
      const owner = ownerOf(service);
      if (address === '') {
        const next = await ips.allocateNext(store, owner);
        taken.push(next);
        result.push(next);
        continue;
      }
      try {
        await ips.allocate(store, address, owner);
      } catch (error) {
        if (!(error instanceof AddressError)) throw error;
        const why = `failed to allocate IP ${address}: ${messageOf(error)}`;
        throw refused(service, invalid('spec.clusterIPs', wanted, why));
      }
      taken.push(address);
      result.push(address);
    }
    if (result.length === 0) return;
    spec.clusterIPs = result;
    spec.clusterIP = result[0] ?? '';
  }

  /** Ports of the same number under different protocols share a node port. */
  async #takePorts(store: ObjectStore, service: Service, old: Service | undefined): Promise<number[]> {
    const spec = service.spec;
    if (!spec) return [];
    const held = new Set(heldNodePorts(old));
    const wanted: Array<{ fixed: number | undefined; field: string; set: Array<(port: number) => void> }> =
      [];
    const allocate = needsNodePorts(spec);
    (spec.ports ?? []).forEach((port, index) => {
      const field = `spec.ports[${index}].nodePort`;
      const set = (value: number) => {
        port.nodePort = value;
      };
      if (port.nodePort) {
        const twin = wanted.find((one) => one.fixed === port.nodePort);
        if (!held.has(port.nodePort) && !twin) wanted.push({ fixed: port.nodePort, field, set: [set] });
      } else if (allocate) {
        const twin = spec.ports?.slice(0, index).findIndex((one) => one.port === port.port) ?? -1;
        const given = twin < 0 ? undefined : spec.ports?.[twin]?.nodePort;
        const pending = wanted.find((one) => one.field === `spec.ports[${twin}].nodePort`);
        if (given) set(given);
        else if (pending) pending.set.push(set);
        else wanted.push({ fixed: undefined, field, set: [set] });
      }
    });
    if (needsHealthCheck(spec) && (!spec.healthCheckNodePort || !held.has(spec.healthCheckNodePort))) {
      const fixed = spec.healthCheckNodePort || undefined;
      const set = (port: number) => {
        spec.healthCheckNodePort = port;
      };
      wanted.push({ fixed, field: 'spec.healthCheckNodePort', set: [set] });
    }
    const taken: number[] = [];
    try {
      for (const { fixed, field, set } of wanted) {
        const [port = 0] = await this.#allocateOne(store, fixed, field, service);
        taken.push(port);
        for (const assign of set) assign(port);
      }
    } catch (error) {
      await this.#ports.release(store, taken);
      throw error;
    }
    return taken;
  }

  async #allocateOne(
    store: ObjectStore,
    fixed: number | undefined,
    field: string,
    service: Service,
  ): Promise<number[]> {
    try {
      return await this.#ports.allocate(store, [fixed]);
    } catch (error) {
      if (!(error instanceof PortError)) throw error;
      if (fixed === undefined) throw internalError(`failed to allocate a nodePort: ${messageOf(error)}`);
      throw refused(service, invalid(field, fixed, messageOf(error)));
    }
  }

  async #releaseAddress(store: ObjectStore, address: string, service: Service): Promise<void> {
    for (const ips of this.#ips) {
      if (ips.family === (address.includes(':') ? 'IPv6' : 'IPv4')) {
        await ips.release(store, address, ownerOf(service));
      }
    }
  }

  /**
   * Brings allocations in line with the services that there are: after a crash between the two writes, a
   * restore, or a change of the range. Safe to run at any time on any server.
   */
  async repair(store: ObjectStore, now: number): Promise<void> {
    await this.#publishRange(store, now);
    const services = await store.list(SERVICES);
    const owners = new Map<string, Service>();
    for (const service of services)
      for (const address of heldAddresses(service)) owners.set(address, service);
    const known = new Set<string>();
    for (const object of await store.list(IPADDRESSES)) {
      const name = object.metadata?.name ?? '';
      const owner = owners.get(name);
      const parent = object.spec?.parentRef;
      const right =
        owner &&
        parent &&
        owner.metadata?.name === parent.name &&
        owner.metadata?.namespace === parent.namespace;
      const born = Date.parse(object.metadata?.creationTimestamp ?? '');
      if (right || !managedByUs(object.metadata?.labels)) known.add(name);
      else if (owner || now - born > ORPHAN_AGE_MS) await store.delete(IPADDRESSES, name, undefined);
    }
    for (const [address, service] of owners) {
      if (known.has(address)) continue;
      const ips = this.#ips.find((one) => one.family === (address.includes(':') ? 'IPv6' : 'IPv4'));
      await ips?.allocate(store, address, ownerOf(service)).catch((error: unknown) => {
        if (!(error instanceof AddressError)) throw error;
      });
    }
    const held = services.flatMap((service) => heldNodePorts(service));
    this.#orphanPorts = await this.#ports.reconcile(store, held, this.#orphanPorts);
  }

  /** The ServiceCIDR `kubernetes` tells others the range. */
  async #publishRange(store: ObjectStore, now: number): Promise<void> {
    const existing = await store.getFresh(SERVICECIDRS, 'kubernetes');
    if (existing?.status?.conditions?.some((one) => one.type === 'Ready')) return;
    const condition = {
      type: 'Ready',
      status: 'True',
      reason: '',
      message: 'Kubernetes Service CIDR is ready',
      lastTransitionTime: rfc3339(now),
    };
    try {
      await store.create(SERVICECIDRS, {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'ServiceCIDR',
        metadata: { name: 'kubernetes' },
        spec: { cidrs: [...this.#ranges] },
      });
    } catch (error) {
      if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') throw error;
    }
    await store.update(SERVICECIDRS, 'kubernetes', undefined, (current) => ({
      ...current,
      status: { ...current.status, conditions: [condition] },
    }));
  }
}

function ownerOf(service: Service) {
  return { namespace: service.metadata?.namespace ?? '', name: service.metadata?.name ?? '' };
}

function refused(service: Service, error: FieldError): StatusError {
  return invalidObject(KIND, service.metadata?.name ?? '', [error]);
}
