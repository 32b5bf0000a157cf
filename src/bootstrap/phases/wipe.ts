import { runScript } from '../../provision/host.ts';
import type { Node } from '../cluster.ts';
import { SNAPSHOT_DIRECTORY } from '../components/snapshots.ts';
import { ETCD_DIRECTORY, ETCD_UNIT } from '../components/etcd.ts';
import {
  AUDIT_LOG_DIRECTORY,
  KUBERNETES_DIRECTORY,
  MOVED_STORE_DIRECTORY,
  STORE_DIRECTORY,
} from '../components/files.ts';

/** What a server knows of a cluster: who it is there, and what it keeps for it. */
const IDENTITY = [
  KUBERNETES_DIRECTORY,
  '/var/lib/kubelet/pki',
  '/etc/cni/net.d/10-slipway.conflist',
  ETCD_DIRECTORY,
  STORE_DIRECTORY,
  MOVED_STORE_DIRECTORY,
  AUDIT_LOG_DIRECTORY,
  SNAPSHOT_DIRECTORY,
];

/** Stops the containers that are left, and takes identity and data of the cluster from the server. */
export async function wipe(node: Node): Promise<void> {
  const script = `set -u
present=
for path in ${IDENTITY.join(' ')}; do [ -e "$path" ] && present="$present $path"; done
[ -n "$present" ] || exit 0
`;
  const look = await node.host.tryRun(`${script}echo "$present"\n`);
  if (look.stdout.trim() === '') return;
  await node.change('stop its containers, and remove its identity and data', async () => {
    await runScript(node.host, 'wiping the server', `${script}${WIPE}`, { timeoutMs: 180_000 });
  });
}

const WIPE = `
systemctl disable --quiet --now ${ETCD_UNIT} 2>/dev/null || true
if command -v ctr >/dev/null; then
  for id in $(timeout 20 ctr -n k8s.io tasks ls -q </dev/null 2>/dev/null); do
    timeout 20 ctr -n k8s.io tasks kill -a -s KILL "$id" </dev/null >/dev/null 2>&1 || true
  done
fi
set -e
rm -rf $present
sync /etc /var/lib
`;
