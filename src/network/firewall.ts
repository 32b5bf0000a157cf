import { isIPv4 } from 'node:net';
import { CommandError, type RunCommand } from '../base/command.ts';
import type { Node } from '../api/gen/types/core-v1.ts';
import { internalIpOf, type IpFamily } from './routes.ts';

export const TABLE = 'slipway-network';

const isFamily = (cidr: string, family: IpFamily): boolean =>
  isIPv4(cidr.split('/')[0] ?? '') === (family === 4);

/**
 * Pure: the table that hides pods behind the node's address where they talk to the world, and nowhere inside: pods
 * and nodes see each other's own addresses. Undefined where the node has no pods of the family.
 */
export function masqueradeTable(options: {
  family: IpFamily;
  podCidrs: readonly string[];
  clusterCidrs: readonly string[];
  nodes: readonly Node[];
}): string | undefined {
  const { family, nodes } = options;
  const own = options.podCidrs.filter((cidr) => isFamily(cidr, family));
  if (own.length === 0) return undefined;
  const ip = family === 4 ? 'ip' : 'ip6';
  const nodeIps = nodes.map((node) => internalIpOf(node, family)).filter((address) => address !== undefined);
  const inside = options.clusterCidrs.filter((cidr) => isFamily(cidr, family));
  const elements = [...new Set([...inside, ...nodeIps])].sort();
  return `table ${ip} ${TABLE} {
	set inside {
		type ${family === 4 ? 'ipv4_addr' : 'ipv6_addr'}
		flags interval
		auto-merge
${elements.length > 0 ? `\t\telements = { ${elements.join(', ')} }\n` : ''}	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		${ip} saddr { ${own.join(', ')} } ${ip} daddr != @inside masquerade fully-random
	}
}
`;
}

/** Replaces our table in one transaction. */
export async function applyTable(run: RunCommand, family: IpFamily, table: string): Promise<void> {
  const name = `${family === 4 ? 'ip' : 'ip6'} ${TABLE}`;
  await run('nft', ['-f', '-'], { input: `add table ${name}\ndelete table ${name}\n${table}` });
}

/** Whether our table stands in the kernel. */
export async function tableStands(run: RunCommand, family: IpFamily): Promise<boolean> {
  const ip = family === 4 ? 'ip' : 'ip6';
  return (await run('nft', ['list', 'tables', ip])).split('\n').includes(`table ${ip} ${TABLE}`);
}

/**
 * Lets pods through where the host's own firewall drops what it forwards (Docker and ufw set that policy in
 * iptables' FORWARD chain). Our tables cannot overrule another's drop: the exception goes into that chain. Gives
 * whether anything was added.
 */
export async function acceptForwarding(
  run: RunCommand,
  family: IpFamily,
  clusterCidrs: readonly string[],
): Promise<boolean> {
  const ip = family === 4 ? 'ip' : 'ip6';
  if (!(await dropsForwarding(run, ip))) return false;
  const iptables = family === 4 ? 'iptables' : 'ip6tables';
  let added = false;
  for (const cidr of clusterCidrs.filter((range) => isFamily(range, family))) {
    for (const direction of ['-s', '-d']) {
      const rule = ['FORWARD', direction, cidr, '-m', 'comment', '--comment', 'slipway pods', '-j', 'ACCEPT'];
      if (await succeeds(run(iptables, ['-w', '-C', ...rule]))) continue;
      await run(iptables, ['-w', '-I', ...rule]);
      added = true;
    }
  }
  return added;
}

async function dropsForwarding(run: RunCommand, ip: string): Promise<boolean> {
  try {
    return /policy drop/.test(await run('nft', ['list', 'chain', ip, 'filter', 'FORWARD']));
  } catch (error) {
    // There is no such chain: nothing of iptables forbids anything.
    if (error instanceof CommandError && error.exitCode !== undefined) return false;
    throw error;
  }
}

async function succeeds(command: Promise<string>): Promise<boolean> {
  try {
    await command;
    return true;
  } catch (error) {
    if (error instanceof CommandError && error.exitCode !== undefined) return false;
    throw error;
  }
}
