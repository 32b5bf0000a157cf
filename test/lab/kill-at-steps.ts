import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemClock } from '../../src/base/clock.ts';
import type { Lab } from './lab.ts';
import { startSlipway, type UpRun } from './up-command.ts';

const HOOK = fileURLToPath(new URL('kill-hook-child.ts', import.meta.url));

/**
 * Where an installer dies in a step: when it has written down that the step begins, in the middle of it, or when the
 * step's effect is there and it has not written that down. For the next run 'done' of a step is 'begun' of the next one.
 */
export type Moment = 'begun' | 'during' | 'done';

export interface KillRun {
  /** The command: 'up', 'certs renew', 'remove w1'. */
  name: string;
  /** Without an executable: the installer runs from this checkout, `--executable` says what the servers get. */
  run: UpRun;
  moments: readonly Moment[];
  /** Steps that the same lines do, on several servers or for several certificates, count as one. */
  alike?: boolean;
  /** What must hold after every death, beside that the next run goes on. */
  afterDeath?: () => Promise<void>;
}

/** A run that died, and where. */
export interface Death {
  moment: Moment;
  phase: string;
  /** '': the operator's own state, or the cluster's objects. */
  node: string;
  change: string;
}

/**
 * Walks one installation through with one death in each step: a command is run again and again, each run dies at the
 * first moment at which none before it has died, until one comes through. The steps are those that the installer takes,
 * not a list of ours. Gives the deaths in their order; rejects where a run ends in any other way than by success.
 */
export async function killAtSteps(lab: Lab, options: KillRun): Promise<Death[]> {
  const killed = join(lab.directory, `killed-${options.name.replaceAll(' ', '-')}-${systemClock.now()}`);
  await writeFile(killed, '');
  const env = {
    ...options.run.env,
    NODE_OPTIONS: `--import=${HOOK}`,
    NODE_COMPILE_CACHE: join(lab.directory, 'compile-cache'),
    SLIPWAY_TEST_KILLED: killed,
    SLIPWAY_TEST_MOMENTS: options.moments.join(','),
    ...(options.alike ? { SLIPWAY_TEST_ALIKE: '1' } : {}),
  };
  for (let runs = 0; runs < 400; runs += 1) {
    const before = await deathsIn(killed);
    const child = await startSlipway(lab, options.name, { ...options.run, env });
    const timer = AbortSignal.timeout(options.run.timeoutMs ?? 180_000);
    timer.addEventListener('abort', () => child.kill('SIGTERM'));
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => (output += text));
    }
    await once(child, 'close');
    const deaths = await deathsIn(killed);
    const last = deaths.at(-1);
    if (child.exitCode === 0) return deaths;
    if (child.signalCode !== 'SIGKILL' || deaths.length !== before.length + 1 || last === undefined) {
      const trail = before.map(({ moment, change }) => `  ${moment}: ${change}`).join('\n');
      throw new Error(
        `${options.name} ended with ${child.exitCode ?? child.signalCode}:\n${output}\nafter it had been killed at\n${trail}`,
      );
    }
    await options.afterDeath?.();
  }
  throw new Error(`${options.name} never comes through`);
}

async function deathsIn(file: string): Promise<Death[]> {
  const lines = (await readFile(file, 'utf8')).split('\n').filter(Boolean);
  return lines.map((line) => {
    const [moment = '', phase = '', node = '', change = ''] = line.split('\t');
    return { moment: moment as Moment, phase, node, change };
  });
}
