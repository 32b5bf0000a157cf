import { fileURLToPath } from 'node:url';
import { labSkipReason } from '../test/lab/machine.ts';
import { Lab } from '../test/lab/lab.ts';
import { slipwayCommand, writeInventory } from '../test/lab/up-command.ts';
import { packages, seconds } from './cluster.ts';
import type { Section } from './table.ts';

const EXECUTABLE = fileURLToPath(new URL('../dist/slipway', import.meta.url));
const CONTROL_PLANES = ['cp1', 'cp2', 'cp3'];
const WORKERS = ['w1', 'w2', 'w3'];

/** Three control planes and two workers from nothing, and what is done with them later. */
export async function benchHighAvailability(): Promise<Section> {
  const title = 'Three control planes and two workers in the lab';
  const reason = labSkipReason();
  if (reason !== undefined) return { title, rows: [{ what: 'not measured', value: reason }] };
  const bundle = await packages();
  const names = [...CONTROL_PLANES, ...WORKERS];
  const lab = await Lab.create({ id: `benchha-${process.pid}`, servers: names.map((name) => ({ name })) });
  const timed = async (servers: readonly string[], name: string, ...flags: string[]): Promise<number> => {
    const inventory = await writeInventory(lab, 'cluster', {
      cluster: { name: 'bench' },
      servers: servers.map((server) => ({
        name: server,
        address: lab.server(server).address,
        roles: CONTROL_PLANES.includes(server) ? ['control-plane', 'worker'] : ['worker'],
      })),
    });
    const startedMs = performance.now();
    const command = { inventory, executable: EXECUTABLE, flags: ['--bundle', bundle, ...flags] };
    const { code, stdout, stderr } = await slipwayCommand(lab, name, { ...command, timeoutMs: 600_000 });
    if (code !== 0) throw new Error(`slipway ${name} ended with ${code}: ${stdout}${stderr}`);
    return (performance.now() - startedMs) / 1000;
  };
  try {
    const five = names.slice(0, 5);
    return {
      title,
      rows: [
        seconds('slipway up until all nodes are Ready', await timed(five, 'up'), 45),
        seconds('slipway up again, nothing to do', await timed(five, 'up'), 3),
        seconds('slipway join of a sixth server', await timed(names, 'join'), 8),
        seconds('slipway remove of a worker', await timed(names, 'remove', 'w3')),
        seconds('slipway remove of the first control plane', await timed(five, 'remove', 'cp1')),
        seconds('slipway join of one in its place', await timed(five, 'join')),
      ],
    };
  } finally {
    await lab.close();
  }
}
