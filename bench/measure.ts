import { readFile } from 'node:fs/promises';

export interface Latencies {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

export interface Loop {
  /** Hands that work at once. */
  clients: number;
  /** Operations in all. */
  count: number;
  /** Operations before those that are counted. Default: a tenth of `count`. */
  warmUp?: number | undefined;
}

/** Hands that each do `operation` again and again; its number runs through warm-up and measurement. */
export async function closedLoop(
  { clients, count, warmUp = Math.ceil(count / 10) }: Loop,
  operation: (i: number) => Promise<unknown>,
): Promise<Latencies> {
  await round(clients, 0, warmUp, operation, []);
  const latencies: number[] = [];
  const startedMs = performance.now();
  await round(clients, warmUp, warmUp + count, operation, latencies);
  const seconds = (performance.now() - startedMs) / 1000;
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { perSecond: count / seconds, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

async function round(
  clients: number,
  from: number,
  to: number,
  operation: (i: number) => Promise<unknown>,
  latencies: number[],
): Promise<void> {
  let next = from;
  const hand = async (): Promise<void> => {
    while (next < to) {
      const i = next++;
      const startedMs = performance.now();
      await operation(i);
      latencies.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, hand));
}

/** Ticks of the kernel's clock in which a process' CPU time is counted: USER_HZ, 100 on every Linux. */
const TICKS_PER_SECOND = 100;

/** CPU seconds that a process, all its threads included, has used. */
export async function cpuSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything; the fields are counted from behind it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Memory of a process in bytes, where pages shared with others are counted by their share. */
export async function pssBytes(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss: +(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
}
