import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ALL_PACKAGES } from '../src/bootstrap/phases/packages.ts';
import { webManifest } from '../test/e2e/workload.ts';
import { kubectlSkipReason, kubectlWith, type Kubectl } from '../test/helpers/kubectl.ts';
import { busyboxImage } from '../test/helpers/oci-image.ts';
import { waitFor } from '../test/helpers/wait-for.ts';
import { run } from '../test/lab/command.ts';
import { Lab } from '../test/lab/lab.ts';
import { LAB_CACHE, labSkipReason } from '../test/lab/machine.ts';
import { startRelay } from '../test/lab/relay.ts';
import type { LabServer } from '../test/lab/server.ts';
import { serverEntries, slipwayUp, writeInventory } from '../test/lab/up-command.ts';
import { megabytes, type Row, type Section } from './table.ts';

const EXECUTABLE = fileURLToPath(new URL('../dist/slipway', import.meta.url));
const IMAGE = 'slipway.local/busybox:1';
const SETTLE_MS = 30_000;
const MEASURE_SECONDS = 20;
const CONTROL_PLANE = ['apiserver', 'controller-manager', 'scheduler'];
const NODE = ['kubelet', 'proxy', 'dns', 'network'];

/** Three bare servers of the lab through `slipway up`, and what the components need there at idle. */
export async function benchCluster(): Promise<Section> {
  const title = 'Three bare servers (one control plane) in the lab';
  const reason = labSkipReason() ?? kubectlSkipReason();
  if (reason !== undefined) return { title, rows: [{ what: 'not measured', value: reason }] };
  const bundle = await packages();
  const lab = await Lab.create({
    id: `bench-${process.pid}`,
    servers: [{ name: 'cp1' }, { name: 'w1' }, { name: 'w2' }],
  });
  try {
    const inventory = await writeInventory(lab, 'cluster', {
      cluster: { name: 'bench' },
      servers: serverEntries(lab),
    });
    const up = async (): Promise<{ seconds: number; text: string }> => {
      const startedMs = performance.now();
      const flags = ['--bundle', bundle];
      const { code, stdout, stderr } = await slipwayUp(lab, {
        inventory,
        executable: EXECUTABLE,
        flags,
        timeoutMs: 600_000,
      });
      if (code !== 0) throw new Error(`slipway up ended with ${code}: ${stdout}${stderr}`);
      return { seconds: (performance.now() - startedMs) / 1000, text: stdout };
    };
    const startedMs = performance.now();
    const first = await up();
    const answeredMs = await untilServiceAnswers(lab);
    const again = await up();
    if (!/^no changes/m.test(again.text)) throw new Error(`the second run changed something: ${again.text}`);
    return {
      title,
      rows: [
        seconds('slipway up until all nodes are Ready', first.seconds, 90),
        seconds('slipway up until a Service first answers', (answeredMs - startedMs) / 1000),
        seconds('slipway up again, nothing to do', again.seconds, 5),
        ...(await idleRows(lab)),
      ],
    };
  } finally {
    await lab.close();
  }
}

export function seconds(what: string, value: number, target?: number): Row {
  const goal = target === undefined ? {} : { target: `at most ${target} s`, met: value <= target };
  return { what, value: `${value.toFixed(1)} s`, ...goal };
}

/** The offline packages are kept in the lab's cache, as the demo keeps them. */
export async function packages(): Promise<string> {
  const key = createHash('sha256').update(ALL_PACKAGES.join(' ')).digest('hex').slice(0, 12);
  const path = join(LAB_CACHE, `bundle-${key}.tar`);
  if (!existsSync(path)) await run(EXECUTABLE, ['bundle', '--output', path], { timeoutMs: 300_000 });
  return path;
}

/** Loads an image, applies a Deployment with a Service, and resolves with the time when a server gets its answer. */
async function untilServiceAnswers(lab: Lab): Promise<number> {
  const image = await busyboxImage(IMAGE);
  await Promise.all(
    lab.servers.map((server) => server.exec('ctr -n k8s.io images import -', { input: image })),
  );
  const kubectl = await connect(lab);
  await kubectl.withInput(webManifest(IMAGE), 'apply', '-f', '-');
  const address = (await kubectl('get', 'service', 'web', '-o', 'jsonpath={.spec.clusterIP}')).trim();
  const ask = `exec 3<>/dev/tcp/${address}/80 && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q web- <&3`;
  await waitFor(
    'the Service answers',
    async () =>
      (await lab.servers[1]!.tryExec(`timeout 2 bash -c "${ask.replaceAll('"', '\\"')}"`)).code === 0,
    { timeoutMs: 120_000, intervalMs: 100 },
  );
  return performance.now();
}

async function connect(lab: Lab): Promise<Kubectl> {
  const { address } = lab.servers[0]!;
  const relay = await startRelay({ labId: lab.id, name: 'api', targets: [{ host: address, port: 6443 }] });
  const state = join(lab.directory, 'home/.local/state/slipway/bench');
  const text = await readFile(join(state, 'admin.kubeconfig'), 'utf8');
  const path = join(lab.directory, 'kubeconfig');
  await writeFile(path, text.replace(`https://${address}:6443`, `https://127.0.0.1:${relay.port}`), {
    mode: 0o600,
  });
  return kubectlWith(path);
}

async function idleRows(lab: Lab): Promise<Row[]> {
  await sleep(SETTLE_MS);
  const [controlPlane, worker] = await Promise.all([lab.servers[0]!, lab.servers[1]!].map(usage));
  const rows: Row[] = [];
  const total = (found: Map<string, Usage>, names: readonly string[]): number =>
    names.reduce((sum, name) => sum + (found.get(name)?.bytes ?? 0), 0);
  for (const [name, { bytes, cpu }] of [...controlPlane!].filter(([name]) => CONTROL_PLANE.includes(name))) {
    rows.push({
      what: `idle: ${name} (on cp1)`,
      value: `${megabytes(bytes)} PSS, ${cpu.toFixed(1)}% of a core`,
    });
  }
  for (const [name, { bytes, cpu }] of worker!) {
    rows.push({
      what: `idle: ${name} (on w1)`,
      value: `${megabytes(bytes)} PSS, ${cpu.toFixed(1)}% of a core`,
    });
  }
  const [ofControlPlane, ofNode] = [total(controlPlane!, CONTROL_PLANE), total(worker!, NODE)];
  rows.push(
    memory('idle: control plane in all', ofControlPlane, 400e6),
    memory('idle: components of a node', ofNode, 200e6),
  );
  return rows;
}

function memory(what: string, bytes: number, target: number): Row {
  return {
    what,
    value: `${megabytes(bytes)} PSS`,
    target: `under ${megabytes(target)}`,
    met: bytes < target,
  };
}

interface Usage {
  bytes: number;
  /** Per cent of a core. */
  cpu: number;
}

/** Memory and CPU of each of our units on a server. */
async function usage(server: LabServer): Promise<Map<string, Usage>> {
  const text = await server.exec(`
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{print $12 + $13}'; }
units=$(systemctl list-units 'slipway-*' --state=running --no-legend --plain | awk '{print $1}')
for unit in $units; do
  pid=$(systemctl show -p MainPID --value "$unit")
  echo "$unit before $(ticks "$pid") pss $(awk '/^Pss:/ {print $2}' "/proc/$pid/smaps_rollup")"
done
sleep ${MEASURE_SECONDS}
for unit in $units; do
  echo "$unit after $(ticks "$(systemctl show -p MainPID --value "$unit")")"
done`);
  const found = new Map<string, Usage>();
  for (const [, name = '', before, kilobytes] of text.matchAll(
    /^slipway-(\S+)\.service before (\d+) pss (\d+)$/gm,
  )) {
    const after = new RegExp(`^slipway-${name}\\.service after (\\d+)$`, 'm').exec(text)?.[1];
    // A hundred ticks are a second, so that many in a second are one per cent each.
    found.set(name, {
      bytes: Number(kilobytes) * 1024,
      cpu: (Number(after) - Number(before)) / MEASURE_SECONDS,
    });
  }
  return found;
}
