import { putDirectories, putLinks } from '../../provision/files.ts';
import { runScript } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import type { Node } from '../cluster.ts';
import { writeFiles } from '../components/component.ts';
import { DISTRIBUTION_ETCD_UNIT, ETCD_DIRECTORY } from '../components/etcd.ts';
import { ETCD_USER, SERVICE_USER, STORE_DIRECTORY } from '../components/files.ts';
import { DISTRIBUTION_KEEPALIVED_UNIT } from '../components/virtual-address.ts';
import { usesEtcd } from '../etcd/state.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { render } from '../render.ts';
import { needsEtcdPackage, needsKeepalived } from './packages.ts';

/** Without these pods reach nobody. */
export const SYSCTLS = { 'net.ipv4.ip_forward': '1' } as const;

/** The user, folders and kernel settings that the components rely on. */
export const prepareServer: NodePhase = {
  id: 'prepare-server',
  title: 'Prepare the servers',
  kind: 'change',
  nodes: allNodes,
  run: async (node, cluster) => {
    await addUser(node, SERVICE_USER);
    const store = node.isControlPlane && usesEtcd(cluster);
    if (store) await addUser(node, ETCD_USER);
    if (needsEtcdPackage(node)) await mask(node, DISTRIBUTION_ETCD_UNIT);
    if (needsKeepalived(node)) await mask(node, DISTRIBUTION_KEEPALIVED_UNIT);
    const sysctls = Object.entries(SYSCTLS).map(([name, value]) => ({ name, value }));
    await writeFiles(node, [
      {
        path: '/etc/sysctl.d/90-slipway.conf',
        content: render('config/sysctl.conf.hbs', { sysctls }),
        mode: 0o644,
      },
    ]);
    for (const { name, value } of sysctls) {
      const found = node.facts.sysctls.get(name)?.value;
      if (found === value) continue;
      const change = `set ${name} to ${value}`;
      const path = `/proc/sys/${name.replaceAll('.', '/')}`;
      const set = async (): Promise<void> => {
        await runScript(
          node.host,
          change,
          `${ledgerFunctions(change)}before_value=$(cat ${path})
ledger "\\"sysctl\\":\\"${name}\\",\\"before\\":\\"$before_value\\""
echo ${value} >${path}
`,
        );
      };
      await node.change(change, set, `it is ${found ?? 'not there'}`);
    }
    if (!node.isControlPlane) return;
    if (store) await makeDirectory(node, ETCD_DIRECTORY, ETCD_USER);
    else await makeDirectory(node, STORE_DIRECTORY, SERVICE_USER);
  },
};

async function addUser(node: Node, user: string): Promise<void> {
  if (node.facts.users.has(user)) return;
  const change = `add the system user ${user}`;
  await node.change(change, async () => {
    const script = `${ledgerFunctions(change)}
ledger '"user":"${user}","before":"absent"'
useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ${user}
`;
    await runScript(node.host, change, script);
  });
}

/** The distribution's package would start a service of its own as it is installed, and beside ours. */
async function mask(node: Node, unit: string): Promise<void> {
  const path = `/etc/systemd/system/${unit}`;
  if (node.facts.links.get(path) === '/dev/null') return;
  const change = `mask ${unit}`;
  await node.change(change, () => putLinks(node.host, change, [{ path, target: '/dev/null' }]));
}

async function makeDirectory(node: Node, path: string, user: string): Promise<void> {
  if (node.facts.directories.has(path)) return;
  const change = `make ${path}`;
  await node.change(change, () =>
    putDirectories(node.host, change, [{ path, mode: 0o700, owner: `${user}:${user}` }]),
  );
}
