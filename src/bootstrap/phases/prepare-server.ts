import { putDirectories } from '../../provision/files.ts';
import { runScript } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import type { Node } from '../cluster.ts';
import { writeFiles } from '../components/component.ts';
import { SERVICE_USER, STORE_DIRECTORY } from '../components/files.ts';
import { allNodes, type NodePhase } from '../phase.ts';
import { render } from '../render.ts';

/** Without these pods reach nobody. */
export const SYSCTLS = { 'net.ipv4.ip_forward': '1' } as const;

/** The user, folders and kernel settings that the components rely on. */
export const prepareServer: NodePhase = {
  id: 'prepare-server',
  title: 'Prepare the servers',
  kind: 'change',
  nodes: allNodes,
  run: async (node) => {
    await addUser(node);
    const sysctls = Object.entries(SYSCTLS).map(([name, value]) => ({ name, value }));
    await writeFiles(node, [
      {
        path: '/etc/sysctl.d/90-slipway.conf',
        content: render('config/sysctl.conf.hbs', { sysctls }),
        mode: 0o644,
      },
    ]);
    for (const { name, value } of sysctls) {
      if (node.facts.sysctls.get(name)?.value === value) continue;
      const change = `set ${name} to ${value}`;
      const path = `/proc/sys/${name.replaceAll('.', '/')}`;
      await node.change(change, async () => {
        await runScript(
          node.host,
          change,
          `${ledgerFunctions(change)}before_value=$(cat ${path})
ledger "\\"sysctl\\":\\"${name}\\",\\"before\\":\\"$before_value\\""
echo ${value} >${path}
`,
        );
      });
    }
    if (node.isControlPlane && !node.facts.directories.has(STORE_DIRECTORY)) await makeStore(node);
  },
};

async function addUser(node: Node): Promise<void> {
  if (node.facts.users.has(SERVICE_USER)) return;
  const change = `add the system user ${SERVICE_USER}`;
  await node.change(change, async () => {
    const script = `${ledgerFunctions(change)}
ledger '"user":"${SERVICE_USER}","before":"absent"'
useradd --system --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin ${SERVICE_USER}
`;
    await runScript(node.host, change, script);
  });
}

async function makeStore(node: Node): Promise<void> {
  const change = `make ${STORE_DIRECTORY}`;
  await node.change(change, () =>
    putDirectories(node.host, change, [
      { path: STORE_DIRECTORY, mode: 0o700, owner: `${SERVICE_USER}:${SERVICE_USER}` },
    ]),
  );
}
