import { contains, overlap, parseAddress, parseRange } from './ranges.ts';
import type { Inventory } from './schema.ts';

/** A violated rule: where in the inventory, and which rule. */
export interface Fault {
  path: Array<string | number>;
  message: string;
}

/** Rules that span several fields of an inventory whose fields are each right by themselves. */
export function checkRules(inventory: Inventory): Fault[] {
  return [
    ...serverRules(inventory),
    ...roleRules(inventory),
    ...rangeRules(inventory),
    ...portRules(inventory),
    ...virtualAddressRules(inventory),
  ];
}

function serverRules({ servers }: Inventory): Fault[] {
  const faults: Fault[] = [];
  for (const field of ['name', 'address'] as const) {
    const seen = new Map<string, number>();
    for (const [index, server] of servers.entries()) {
      const first = seen.get(server[field]);
      if (first === undefined) seen.set(server[field], index);
      else {
        faults.push({
          path: ['servers', index, field],
          message: `"${server[field]}" is also the ${field} of servers[${first}]: each server needs its own`,
        });
      }
    }
  }
  return faults;
}

function roleRules({ servers }: Inventory): Fault[] {
  const faults: Fault[] = [];
  const controlPlanes = servers.filter(({ roles }) => roles.includes('control-plane'));
  const count = controlPlanes.length;
  if (count === 0) {
    faults.push({
      path: ['servers'],
      message: 'no server has the role control-plane: 1, 3 or 5 must have it',
    });
  } else if (![1, 3, 5].includes(count)) {
    const names = controlPlanes.map((server) => server.name).join(', ');
    faults.push({
      path: ['servers', servers.indexOf(controlPlanes[1] ?? servers[0]!), 'roles'],
      message: `${count} servers have the role control-plane (${names}): there must be 1, 3 or 5. ${whyNot(count)}`,
    });
  }
  for (const [index, { roles }] of servers.entries()) {
    if (new Set(roles).size !== roles.length) {
      faults.push({
        path: ['servers', index, 'roles'],
        message: `a role is listed twice: ${roles.join(', ')}`,
      });
    }
  }
  return faults;
}

/** The store goes on while more than half of its members live: an even number only adds what can fail. */
function whyNot(count: number): string {
  if (count > 5) return 'Each write waits for more than half of them: more than 5 are slower, not safer';
  const half = count / 2 + 1;
  return `${count} need ${half} alive, so that ${count - half === 0 ? 'none' : count - half} may fail, as of ${count - 1}, and one server more can`;
}

function rangeRules({ network, servers }: Inventory): Fault[] {
  const faults: Fault[] = [];
  const pods = parseRange(network.podRange);
  const services = parseRange(network.serviceRange);
  if (!pods || !services) return faults;
  if (overlap(pods, services)) {
    faults.push({
      path: ['network', 'serviceRange'],
      message: `${network.serviceRange} overlaps network.podRange ${network.podRange}: they must not share an address`,
    });
  }
  if (services.prefix > 28) {
    faults.push({
      path: ['network', 'serviceRange'],
      message: `${network.serviceRange} is too small: its prefix must be at most /28`,
    });
  }
  if (network.nodeMaskSize <= pods.prefix || 2 ** (network.nodeMaskSize - pods.prefix) < servers.length) {
    faults.push({
      path: ['network', 'nodeMaskSize'],
      message: `/${network.nodeMaskSize} parts of ${network.podRange} are too few for ${servers.length} servers`,
    });
  }
  for (const [index, { address }] of servers.entries()) {
    const value = parseAddress(address) ?? -1;
    for (const [field, range] of [
      ['podRange', pods],
      ['serviceRange', services],
    ] as const) {
      if (contains(range, value)) {
        faults.push({
          path: ['servers', index, 'address'],
          message: `${address} lies inside network.${field} ${network[field]}: servers must have addresses outside of it`,
        });
      }
    }
  }
  const dns = network.dnsAddress === undefined ? undefined : parseAddress(network.dnsAddress);
  if (dns !== undefined && (!contains(services, dns) || dns - services.first < 2)) {
    faults.push({
      path: ['network', 'dnsAddress'],
      message: `${network.dnsAddress} must lie inside network.serviceRange ${network.serviceRange}, after its first two addresses`,
    });
  }
  return faults;
}

function portRules({ network, api }: Inventory): Fault[] {
  const [first = 0, last = 0] = network.nodePorts.split('-').map(Number);
  if (first < 1 || last > 65_535 || first > last) {
    return [
      {
        path: ['network', 'nodePorts'],
        message: `${network.nodePorts} is no range of ports: two numbers of 1 to 65535, the lower one first`,
      },
    ];
  }
  if (api.port >= first && api.port <= last) {
    return [
      { path: ['api', 'port'], message: `${api.port} lies inside network.nodePorts ${network.nodePorts}` },
    ];
  }
  return [];
}

function virtualAddressRules({ api, servers, network }: Inventory): Fault[] {
  const { virtualAddress } = api;
  if (virtualAddress === undefined) return [];
  const path = ['api', 'virtualAddress'];
  const owner = servers.find(({ address }) => address === virtualAddress);
  if (owner !== undefined) {
    return [{ path, message: `${virtualAddress} is the address of ${owner.name}: it must be nobody’s own` }];
  }
  const value = parseAddress(virtualAddress) ?? -1;
  return (['podRange', 'serviceRange'] as const).flatMap((field) => {
    const range = parseRange(network[field]);
    if (range === undefined || !contains(range, value)) return [];
    return [{ path, message: `${virtualAddress} lies inside network.${field} ${network[field]}` }];
  });
}
