import { stringify } from 'yaml';
import { parseInventory } from '../inventory/load.ts';
import type { Draft, DraftLogin, DraftServer } from './draft.ts';

/** One YAML scalar; quoted only where it has to be. */
const scalar = (value: string | number): string => stringify(value).trim();

/**
 * The draft as an inventory with comments, which loads as it is. Errors: E_INVENTORY, with `path` in its message,
 * where a rule is broken after all.
 */
export function renderInventory(draft: Draft, path: string): string {
  const text = [
    '# The inventory of a slipway cluster, written by "slipway init". It holds no secrets.',
    `# Put it into place with: slipway up --inventory ${path}`,
    '',
    'cluster:',
    '  # Names the cluster on your machine: its keys are kept in ~/.local/state/slipway/<name>.',
    `  name: ${scalar(draft.name)}`,
    '',
    'network:',
    '  # Addresses of pods and, virtual ones, of Services. No network that the servers reach may overlap them.',
    `  podRange: ${scalar(draft.podRange)}`,
    `  serviceRange: ${scalar(draft.serviceRange)}`,
    '',
    ...api(draft),
    ...bastion(draft),
    ...bundle(draft),
    'servers:',
    ...draft.servers.flatMap(server),
    '',
  ].join('\n');
  parseInventory(text, path);
  return text;
}

function api({ extraNames, virtualAddress }: Draft): string[] {
  return [
    'api:',
    '  # Further names under which people reach the API server, for its certificate.',
    ...(extraNames.length === 0
      ? ['  extraNames: []']
      : ['  extraNames:', ...extraNames.map((name) => `    - ${scalar(name)}`)]),
    ...(virtualAddress === undefined
      ? []
      : ['  # Moves between the control planes.', `  virtualAddress: ${scalar(virtualAddress)}`]),
    '',
  ];
}

function bastion({ bastion: through }: Draft): string[] {
  if (through === undefined) return [];
  const { address, ...login } = through;
  return [
    '# Every server is reached through this one.',
    'ssh:',
    '  bastion:',
    `    address: ${scalar(address)}`,
    ...loginLines(login, '    '),
    '',
  ];
}

function bundle({ bundle: path }: Draft): string[] {
  if (path === undefined) return [];
  return [
    '# Made with "slipway bundle": the servers need no repository.',
    'packages:',
    `  bundle: ${scalar(path)}`,
    '',
  ];
}

function server({ name, address, roles, ssh, about }: DraftServer): string[] {
  const { address: reachedAt, ...login } = ssh;
  const lines = [
    ...(reachedAt === undefined ? [] : [`      address: ${scalar(reachedAt)}`]),
    ...loginLines(login, '      '),
  ];
  return [
    ...(about === undefined ? [] : [`  # ${about.replaceAll(/\s+/g, ' ')}`]),
    `  - name: ${scalar(name)}`,
    `    address: ${scalar(address)}`,
    `    roles: [${roles.join(', ')}]`,
    ...(lines.length === 0 ? [] : ['    ssh:', ...lines]),
  ];
}

function loginLines(login: DraftLogin, indent: string): string[] {
  return (['user', 'port', 'key', 'passwordFrom', 'sudoPasswordFrom'] as const).flatMap((field) => {
    const value = login[field];
    return value === undefined ? [] : [`${indent}${field}: ${scalar(value)}`];
  });
}
