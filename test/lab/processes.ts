import { readFile } from 'node:fs/promises';

/** A process that cannot be mistaken for a later one that got the same number. */
export interface ProcessId {
  pid: number;
  /** Field 22 of /proc/PID/stat: clock ticks since boot. */
  start: string;
}

async function statOf(pid: number): Promise<string[] | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  } catch {
    return undefined;
  }
}

export async function identify(pid: number): Promise<ProcessId | undefined> {
  const start = (await statOf(pid))?.[19];
  return start === undefined ? undefined : { pid, start };
}

/** Whether the very process still runs; a zombie does not. */
export async function isAlive(id: ProcessId): Promise<boolean> {
  const stat = await statOf(id.pid);
  return stat !== undefined && stat[19] === id.start && stat[0] !== 'Z' && stat[0] !== 'X';
}

/** Sends the signal to the very process; does nothing where it is gone. */
export async function signal(id: ProcessId | undefined, name: NodeJS.Signals): Promise<void> {
  if (!id || !(await isAlive(id))) return;
  try {
    process.kill(id.pid, name);
  } catch {
    // It ended in between.
  }
}
