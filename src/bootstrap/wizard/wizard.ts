import { messageOf, SlipwayError } from '../../base/errors.ts';
import { askField, type Asker } from './asker.ts';
import { describeDiscovery, type Discovery } from './discover.ts';
import {
  faultAt,
  usualControlPlanes,
  type Draft,
  type DraftLogin,
  type DraftServer,
  type Role,
} from './draft.ts';
import { clashOf, freeRanges } from './ranges.ts';
import { parseServerArgument, type ServerArgument } from './server-argument.ts';

/** Looks at a server; undefined where servers are not looked at. */
export type LookAt = (host: string, login: DraftLogin, draft: Draft) => Promise<Look | undefined>;

export interface Look {
  discovery: Discovery;
  /** Where the password came from a person: the inventory must say where it is next time. */
  askedPassword: boolean;
  askedSudoPassword: boolean;
}

/** What was given on the command line: it is not asked. */
export interface WizardOptions {
  name?: string;
  servers: readonly ServerArgument[];
  key?: string;
  bastion?: ServerArgument;
  podRange?: string;
  serviceRange?: string;
  virtualAddress?: string;
  extraNames: readonly string[];
  bundle?: string;
}

const PASSWORD_FROM = 'env:SLIPWAY_SSH_PASSWORD';
const SUDO_PASSWORD_FROM = 'env:SLIPWAY_SUDO_PASSWORD';

/** Asks for everything an inventory needs, looks at each server on the way, and offers what it finds. */
export async function runWizard(ask: Asker, look: LookAt, options: WizardOptions): Promise<Draft> {
  const draft: Draft = {
    name: options.name ?? 'cluster',
    ...freeRanges([]),
    extraNames: [...options.extraNames],
    servers: [],
    ...(options.bundle === undefined ? {} : { bundle: options.bundle }),
  };
  await askName(ask, draft, options);
  if (options.bastion) draft.bastion = { address: options.bastion.host, ...options.bastion.login };
  const networks: string[] = [];
  const wishes = await askServers(ask, look, draft, options, networks);
  await askRoles(ask, draft, wishes);
  await askNetwork(ask, draft, options, networks);
  await askEntrance(ask, draft, options);
  return draft;
}

async function askName(ask: Asker, draft: Draft, options: WizardOptions): Promise<void> {
  const message = 'Name of the cluster (its keys are kept under it on this machine):';
  await askField(
    ask,
    draft,
    { message, path: 'cluster.name', default: draft.name, given: options.name },
    (name) => {
      draft.name = name;
    },
  );
}

/** Gives the roles that were asked for, by server. */
async function askServers(
  ask: Asker,
  look: LookAt,
  draft: Draft,
  options: WizardOptions,
  networks: string[],
): Promise<Map<DraftServer, Role[]>> {
  const wishes = new Map<DraftServer, Role[]>();
  const given = [...options.servers];
  const fromCommandLine = given.length > 0;
  for (;;) {
    const argument = given.shift() ?? (fromCommandLine ? undefined : await askServer(ask, draft));
    if (argument === undefined) return wishes;
    const login: DraftLogin = {
      ...draft.servers.at(-1)?.ssh,
      ...argument.login,
      ...(options.key === undefined ? {} : { key: options.key }),
    };
    delete (login as { address?: string }).address;
    const server = await describeServer(
      ask,
      look,
      draft,
      { ...argument, login },
      { networks, fromCommandLine },
    );
    if (server === undefined) continue;
    if (argument.roles) wishes.set(server, argument.roles);
  }
}

async function askServer(ask: Asker, draft: Draft): Promise<ServerArgument | undefined> {
  const count = draft.servers.length;
  const message =
    count === 0
      ? 'First server, as [user@]address[:port]:'
      : `Server ${count + 1} (empty: that was all; an odd number of control planes is chosen from them):`;
  const answer = await ask.input({
    message,
    validate: (text) => {
      if (text === '') return count > 0 || 'A cluster needs a server.';
      try {
        parseServerArgument(text);
        return true;
      } catch (error) {
        return messageOf(error);
      }
    },
  });
  return answer === '' ? undefined : parseServerArgument(answer);
}

async function describeServer(
  ask: Asker,
  look: LookAt,
  draft: Draft,
  argument: ServerArgument,
  { networks, fromCommandLine }: { networks: string[]; fromCommandLine: boolean },
): Promise<DraftServer | undefined> {
  const { host, login } = argument;
  let seen: Look | undefined;
  try {
    seen = await look(host, login, draft);
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    ask.say(`${error.message}${error.hint ? `\n  ${error.hint}` : ''}`);
    const keep = await ask.confirm({ message: `Take ${host} without having looked at it?`, default: false });
    if (!keep) {
      if (fromCommandLine) throw error;
      return undefined;
    }
  }
  const server: DraftServer = { name: '', address: host, roles: ['worker'], ssh: { ...login } };
  draft.servers.push(server);
  const index = draft.servers.length - 1;
  if (seen) {
    server.about = describeDiscovery(seen.discovery);
    ask.say(`  found: ${server.about}`);
    networks.push(...seen.discovery.networks);
    if (seen.askedPassword) server.ssh.passwordFrom = PASSWORD_FROM;
    if (seen.askedSudoPassword) server.ssh.sudoPasswordFrom = SUDO_PASSWORD_FROM;
    await chooseAddress(ask, server, host, seen.discovery);
  } else {
    const message = `Address of ${host} under which the other servers reach it:`;
    const path = `servers.${index}.address`;
    await askField(ask, draft, { message, path, default: host }, (address) => {
      server.address = address;
    });
    if (server.address !== host) server.ssh.address = host;
  }
  const usual = seen?.discovery.hostname || `server${index + 1}`;
  const message = `Name of the server as a node (usually its host name):`;
  const path = `servers.${index}.name`;
  await askField(ask, draft, { message, path, default: usual, given: argument.name }, (name) => {
    server.name = name;
  });
  return server;
}

async function chooseAddress(ask: Asker, server: DraftServer, host: string, found: Discovery): Promise<void> {
  const [first] = found.addresses;
  if (first === undefined) return;
  const choices = found.addresses.map((each) => ({
    name: `${each.address} (${each.interface})`,
    value: each.address,
  }));
  const message = 'Address under which the other servers reach it (a private network is the better one):';
  server.address =
    choices.length === 1 ? first.address : await ask.select({ message, choices, default: first.address });
  if (server.address !== host) server.ssh.address = host;
}

/** Makes an odd number of servers control planes; wishes of the command line are followed. */
async function askRoles(ask: Asker, draft: Draft, wishes: ReadonlyMap<DraftServer, Role[]>): Promise<void> {
  const { servers } = draft;
  const wished = servers.filter((server) => wishes.has(server));
  for (const server of wished) server.roles = wishes.get(server) ?? server.roles;
  if (wished.length < servers.length && !wished.some(({ roles }) => roles.includes('control-plane'))) {
    const free = servers.filter((server) => !wishes.has(server));
    const counts = ([1, 3, 5] as const).filter((count) => count <= free.length);
    const count = await ask.select({
      message:
        'How many of them are control planes? (3 survive the loss of one, 5 of two; an even number adds nothing)',
      choices: counts.map((value) => ({
        name: value === 1 ? '1, the first' : `${value}, the first ones`,
        value,
      })),
      default: usualControlPlanes(free.length),
    });
    const shared = await ask.confirm({
      message: 'Do control planes run pods, too? (yes where there are few servers)',
      default: servers.length - count < 2,
    });
    const roles: Role[] = shared ? ['control-plane', 'worker'] : ['control-plane'];
    for (const server of free.slice(0, count)) server.roles = [...roles];
  }
  const fault = faultAt(draft, 'servers');
  if (fault !== undefined)
    throw new SlipwayError('E_USAGE', fault, { hint: 'correct the servers and roles that were given' });
}

async function askNetwork(
  ask: Asker,
  draft: Draft,
  options: WizardOptions,
  networks: readonly string[],
): Promise<void> {
  const used = [...networks, ...draft.servers.map(({ address }) => `${address}/32`)];
  const rule = (range: string): string | undefined => clashOf(range, used);
  Object.assign(draft, freeRanges(used));
  await askField(
    ask,
    draft,
    {
      message: 'Range of pod addresses (no network of yours may overlap it):',
      path: 'network.podRange',
      also: ['network.nodeMaskSize', 'servers'],
      rule,
      default: draft.podRange,
      given: options.podRange,
    },
    (range) => {
      draft.podRange = range;
    },
  );
  draft.serviceRange = freeRanges([...used, draft.podRange]).serviceRange;
  await askField(
    ask,
    draft,
    {
      message: 'Range of Service addresses (virtual ones; the same holds):',
      path: 'network.serviceRange',
      also: ['servers'],
      rule,
      default: draft.serviceRange,
      given: options.serviceRange,
    },
    (range) => {
      draft.serviceRange = range;
    },
  );
}

/** How people reach the API. */
async function askEntrance(ask: Asker, draft: Draft, options: WizardOptions): Promise<void> {
  const several = draft.servers.filter(({ roles }) => roles.includes('control-plane')).length > 1;
  const set = (address: string): void => {
    if (address === '') delete draft.virtualAddress;
    else draft.virtualAddress = address;
  };
  if (several || options.virtualAddress !== undefined) {
    const message = 'A free address that moves between the control planes, for people (empty: none):';
    const path = 'api.virtualAddress';
    await askField(ask, draft, { message, path, default: '', given: options.virtualAddress }, set);
  }
  if (options.extraNames.length > 0) return;
  const message = 'Further names of the API server, as a load balancer’s, separated by commas (empty: none):';
  const names = (answer: string): string[] =>
    answer
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '');
  await askField(ask, draft, { message, path: 'api.extraNames', default: '' }, (answer) => {
    draft.extraNames = names(answer);
  });
}
