import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { waitFor } from '../helpers/wait-for.ts';
import { run, tryRun } from './command.ts';
import { removeGroups } from './cgroups.ts';
import { LAB_STATE } from './machine.ts';
import { identify, isAlive, signal, type ProcessId } from './processes.ts';

/** What is written down of a lab, so that another process can open it or clean up after it. */
export interface LabState {
  id: string;
  /** The process that the lab belongs to. */
  owner: ProcessId;
  /** A detached lab outlives its owner (the demo); the reaper leaves it alone. */
  detached: boolean;
  /** Cgroup folders of the lab, one per hierarchy. */
  groups: string[];
  servers: Array<{ name: string; address: string }>;
}

export const LABS = join(LAB_STATE, 'labs');

export const labDirectory = (id: string): string => join(LABS, id);
export const fabricName = (id: string): string => `slab.${id}`;
export const serverNetns = (id: string, server: string): string => `slab.${id}.${server}`;

export async function writeState(state: LabState): Promise<void> {
  const path = join(labDirectory(state.id), 'lab.json');
  await mkdir(labDirectory(state.id), { recursive: true });
  await writeFile(`${path}.new`, JSON.stringify(state));
  await rename(`${path}.new`, path);
}

export async function readState(id: string): Promise<LabState | undefined> {
  try {
    return JSON.parse(await readFile(join(labDirectory(id), 'lab.json'), 'utf8')) as LabState;
  } catch {
    return undefined;
  }
}

export async function readPid(path: string): Promise<ProcessId | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessId;
  } catch {
    return undefined;
  }
}

export async function writePid(path: string, pid: number): Promise<ProcessId | undefined> {
  const id = await identify(pid);
  if (id) await writeFile(path, JSON.stringify(id));
  return id;
}

/** Stops the process whose identity is in the file and waits until it is gone. */
export async function stopByPidFile(path: string): Promise<void> {
  const id = await readPid(path);
  if (!id) return;
  await signal(id, 'SIGKILL');
  await waitFor(`process ${id.pid} of ${path} ends`, async () => !(await isAlive(id)));
  await rm(path, { force: true });
}

/** Ends whatever still runs in a network namespace, then removes it. Nothing to do is no error. */
async function removeNetns(name: string): Promise<void> {
  const listed = await tryRun('ip', ['netns', 'pids', name]);
  if (listed.code !== 0) return;
  for (const pid of listed.stdout.split(/\s+/).filter(Boolean))
    await signal(await identify(Number(pid)), 'SIGKILL');
  await tryRun('ip', ['netns', 'del', name]);
}

/** Removes all that a lab made: processes, namespaces, cgroups, files. Safe to call twice, and on half a lab. */
export async function destroy(id: string): Promise<void> {
  const directory = labDirectory(id);
  const state = await readState(id);
  for (const file of await readdir(directory).catch(() => [])) {
    if (file.endsWith('.pid')) await stopByPidFile(join(directory, file)); // relays
  }
  for (const { name } of state?.servers ?? []) {
    const server = join(directory, 'servers', name);
    await stopByPidFile(join(server, 'supervisor.pid')); // first, or it would boot the server again
    await killServer(server);
    await removeNetns(serverNetns(id, name));
  }
  await removeNetns(fabricName(id));
  const left = await removeGroups(state?.groups ?? []);
  // The state goes last, so that a reaper can take over from one that was killed here.
  await rm(join(directory, 'servers'), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  await rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  if (left.length > 0) throw new Error(`cgroups of lab ${id} are still busy: ${left.join(', ')}`);
}

/** Kills a server's namespace parent; the kernel then ends every process in it, and its mounts with them. */
export async function killServer(directory: string): Promise<void> {
  const pid = Number(await readFile(join(directory, 'unshare.pid'), 'utf8').catch(() => ''));
  if (!pid) return;
  const id = await identify(pid);
  if (!id || !(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).includes(directory)) return;
  const { stdout } = await tryRun('pgrep', ['-P', String(pid)]);
  const init = stdout.trim() ? await identify(Number(stdout.trim().split('\n')[0])) : undefined;
  await signal(init, 'SIGKILL');
  await signal(id, 'SIGKILL');
  for (const one of [init, id])
    if (one) await waitFor('the server is off', async () => !(await isAlive(one)));
}

/** Removes the labs whose owner is gone: what a crashed or killed run has left. Gives their ids. */
export async function reapDeadLabs(): Promise<string[]> {
  const reaped: string[] = [];
  for (const id of await readdir(LABS).catch(() => [])) {
    const state = await readState(id);
    // A folder without a state is a lab that another process is making at this moment, or a reaper removes.
    if (!state || state.detached || (await isAlive(state.owner))) continue;
    await destroy(id);
    reaped.push(id);
  }
  return reaped;
}

/** Makes the closed network of a lab: a bridge without an uplink, where the runner has 10.77.0.1. */
export async function makeFabric(id: string): Promise<void> {
  const fabric = fabricName(id);
  const script = `
set -e
ip netns add ${fabric}
ip -n ${fabric} link set lo up
ip -n ${fabric} link add br0 type bridge forward_delay 0
ip -n ${fabric} link set br0 up
ip -n ${fabric} addr add 10.77.0.1/24 dev br0
ip -n ${fabric} addr add fd77::1/64 dev br0 nodad
nsenter --net=/run/netns/${fabric} sh -c '
  echo 1 > /proc/sys/net/ipv4/ip_forward
  for f in /proc/sys/net/bridge/bridge-nf-call-iptables; do [ ! -e $f ] || echo 0 > $f; done'
nsenter --net=/run/netns/${fabric} nft -f - <<'RULES'
table bridge lab {
  set cut {
    type ifname . ifname
  }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname . oifname @cut drop
  }
}
RULES
`;
  await run('sh', ['-c', script]);
}
