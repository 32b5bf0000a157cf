import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ControlPlaneProcesses } from './control-plane.ts';
import { cpuSeconds, pssBytes } from './measure.ts';
import { megabytes, type Row, type Section } from './table.ts';

const SETTLE_MS = 20_000;
const MEASURE_MS = 20_000;
const TARGET_BYTES = 400e6;

/** Memory and CPU of the control plane's processes when nothing happens: as on a server, one process each. */
export async function benchIdle(root: string): Promise<Section> {
  const dir = await mkdtemp(join(root, 'idle-'));
  const controlPlane = await ControlPlaneProcesses.start(dir);
  try {
    await controlPlane.startOthers();
    const children = controlPlane.processes;
    await sleep(SETTLE_MS);
    const before = await Promise.all([...children.values()].map(({ pid }) => cpuSeconds(pid!)));
    await sleep(MEASURE_MS);
    const rows: Row[] = [];
    let total = 0;
    for (const [i, [name, { pid }]] of [...children].entries()) {
      const bytes = await pssBytes(pid!);
      const cpu = ((await cpuSeconds(pid!)) - before[i]!) / (MEASURE_MS / 1000);
      total += bytes;
      rows.push({ what: name, value: `${megabytes(bytes)} PSS, ${(cpu * 100).toFixed(1)}% of a core` });
    }
    rows.push({
      what: 'all three',
      value: megabytes(total),
      target: `under ${megabytes(TARGET_BYTES)}`,
      met: total < TARGET_BYTES,
    });
    return { title: 'Control plane at idle', rows };
  } finally {
    await controlPlane.stop();
    await rm(dir, { recursive: true, force: true });
  }
}
