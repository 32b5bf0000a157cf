import { SlipwayError } from '../../base/errors.ts';
import { runScript } from '../../provision/host.ts';
import { ledgerFunctions } from '../../provision/ledger.ts';
import { startUnit } from '../../provision/units.ts';
import type { Node } from '../cluster.ts';
import { writeFiles } from '../components/component.ts';
import { apiserver } from '../components/control-plane.ts';
import { ETCD_DATA, ETCD_SNAPSHOT_COUNT, ETCD_UNIT } from '../components/etcd.ts';
import { MOVED_STORE_DIRECTORY, STORE_DIRECTORY, STORE_FILE } from '../components/files.ts';
import { untilReady } from '../phases/wait-apiserver.ts';
import { executableOf } from '../release.ts';
import { bootstrapMember, markServed, openServing, writeMember } from './form-cluster.ts';
import { hasMovedStore } from './state.ts';

const APISERVER_UNIT = 'slipway-apiserver.service';

/**
 * Moves the embedded store of the one control plane into etcd on the same server, and starts its API server on
 * that. Nothing answers meanwhile, for some seconds. The old store counts until the directory is renamed, which
 * happens when etcd has served everything; an interrupted run begins again before that, and goes on after it.
 */
export async function moveStore(node: Node): Promise<void> {
  if (!hasMovedStore(node)) {
    await bootstrapMember(node);
    await node.change('make the log of etcd begin behind what is moved', () => shortenLog(node));
    const change = 'move the embedded store to etcd';
    await node.change(change, () => move(node, change));
    node.facts.sizes.delete(STORE_FILE);
    node.facts.directories.add(MOVED_STORE_DIRECTORY);
  } else {
    // Cut off between the renaming and here.
    await writeMember(node);
    const change = `start ${ETCD_UNIT}`;
    await node.change(change, async () => {
      await startUnit(node.host, change, ETCD_UNIT, node.cluster.signal);
      (await openServing(node)).close();
    });
  }
  await markServed(node);
  const component = apiserver(node);
  await writeFiles(node, [...component.files, component.unitFile]);
  const change = `start ${APISERVER_UNIT} on etcd`;
  await node.change(change, async () => {
    await startUnit(node.host, change, APISERVER_UNIT, node.cluster.signal);
    await untilReady(node);
  });
  const unit = node.facts.units.get(APISERVER_UNIT);
  if (unit)
    node.facts.units.set(APISERVER_UNIT, { ...unit, config: component.config, activeState: 'active' });
}

/**
 * What is put into the database is not in the log, from which new members are fed as long as it goes back to the
 * beginning. So it must not: a member that needs more than the log has gets the database.
 */
async function shortenLog(node: Node): Promise<void> {
  const access = await openServing(node);
  try {
    await access.members.passLog(ETCD_SNAPSHOT_COUNT + 500);
  } finally {
    access.close();
  }
  const script = `
for _ in $(seq 300); do
  ls ${ETCD_DATA}/member/snap/*.snap >/dev/null 2>&1 && exit 0
  sleep 0.1
done
echo 'etcd does not write its state down' >&2
exit 1
`;
  await runScript(node.host, 'shortening the log of etcd', script, { signal: node.cluster.signal });
}

async function move(node: Node, change: string): Promise<void> {
  const { host, cluster } = node;
  const { signal } = cluster;
  try {
    // From here on nothing is written any more: what is copied is all there is.
    const copy = `set -eu
# A restored cluster has no API server yet.
if systemctl cat ${APISERVER_UNIT} >/dev/null 2>&1; then systemctl stop ${APISERVER_UNIT}; fi
systemctl stop ${ETCD_UNIT}
'${executableOf(cluster.release)}' move-store --from ${STORE_DIRECTORY} --to ${ETCD_DATA}
`;
    const text = await runScript(host, change, copy, { timeoutMs: 1_800_000, signal });
    const { keys, revision } = JSON.parse(text) as { keys: number; revision: number };
    await startUnit(host, change, ETCD_UNIT, signal);
    await verify(node, keys, revision);
    await runScript(host, change, keepAside(change), { signal });
  } catch (error) {
    // The embedded store still counts: the cluster goes on with it. The next run begins anew.
    await host.tryRun(
      `[ ! -e ${STORE_FILE} ] || { systemctl stop ${ETCD_UNIT}; systemctl start ${APISERVER_UNIT} || true; }\n`,
    );
    throw error;
  }
}

/** etcd itself must say that it has every key and no older revision. */
async function verify(node: Node, keys: number, revision: number): Promise<void> {
  const access = await openServing(node);
  try {
    const found = await access.members.content(await access.endpointOf(node));
    if (found.keys === keys && found.revision >= revision) return;
    throw new SlipwayError(
      'E_STORAGE_FILL',
      `${node.name}: etcd has ${found.keys} keys at revision ${found.revision} instead of ${keys} at ${revision}`,
      {
        hint: 'the embedded store still serves; look at "journalctl -u slipway-etcd", then run the command again',
      },
    );
  } finally {
    access.close();
  }
}

/** Renames the store's directory: from now on no API server can open it, and etcd counts. */
const keepAside = (change: string): string => `${ledgerFunctions(change)}
ledger '"path":"${MOVED_STORE_DIRECTORY}","before":{"kind":"absent"},"after":{"kind":"directory"}'
sync "$LEDGER/ledger.jsonl"
rm -rf ${MOVED_STORE_DIRECTORY}
mv -T ${STORE_DIRECTORY} ${MOVED_STORE_DIRECTORY}
sync /var/lib/slipway
`;
