import { readFile, readdir, statfs } from 'node:fs/promises';
import { availableParallelism, release, totalmem } from 'node:os';

/** What the kubelet finds out about its host. */
export interface MachineFacts {
  cpus: number;
  memoryBytes: number;
  machineId: string;
  systemUuid: string;
  bootId: string;
  kernelVersion: string;
  osImage: string;
  /** Pages of each size that are set aside: {'2Mi': bytes}. */
  hugePages: Record<string, number>;
}

export interface FileSystemFacts {
  capacityBytes: number;
  availableBytes: number;
  inodes: number;
  inodesFree: number;
}

const textOf = (path: string): Promise<string> =>
  readFile(path, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );

/** Reads /proc, /sys and /etc; what a host lacks is left empty. */
export async function machineFacts(): Promise<MachineFacts> {
  const machineId = await textOf('/etc/machine-id');
  return {
    cpus: availableParallelism(),
    memoryBytes: await memoryCapacity(),
    machineId,
    systemUuid: ((await textOf('/sys/class/dmi/id/product_uuid')) || machineId).toLowerCase(),
    bootId: await textOf('/proc/sys/kernel/random/boot_id'),
    kernelVersion: release(),
    osImage: prettyName(await textOf('/etc/os-release')),
    hugePages: await hugePages(),
  };
}

/** The host's memory, or less where this whole system lives in a cgroup with a limit. */
async function memoryCapacity(): Promise<number> {
  const total = meminfo(await textOf('/proc/meminfo')).MemTotal ?? totalmem();
  const v2 = await textOf('/sys/fs/cgroup/memory.max');
  const v1 = await textOf('/sys/fs/cgroup/memory/memory.limit_in_bytes');
  const limit = Number(v2 || v1);
  return Number.isFinite(limit) && limit > 0 ? Math.min(total, limit) : total;
}

/** Values of /proc/meminfo in bytes. */
export function meminfo(text: string): Record<string, number> {
  const values: Record<string, number> = {};
  for (const line of text.split('\n')) {
    const match = /^(\w+):\s+(\d+)(?: kB)?$/.exec(line.trim());
    if (match) values[match[1] as string] = Number(match[2]) * 1024;
  }
  return values;
}

export async function availableMemoryBytes(): Promise<number> {
  return meminfo(await textOf('/proc/meminfo')).MemAvailable ?? 0;
}

export function prettyName(osRelease: string): string {
  return /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(osRelease)?.[1] ?? 'Linux';
}

async function hugePages(): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  const folder = '/sys/kernel/mm/hugepages';
  for (const name of await readdir(folder).catch(() => [] as string[])) {
    const kilobytes = Number(/^hugepages-(\d+)kB$/.exec(name)?.[1]);
    const count = Number(await textOf(`${folder}/${name}/nr_hugepages`));
    if (kilobytes > 0) found[binary(kilobytes * 1024)] = count * kilobytes * 1024;
  }
  return found;
}

/** '2Mi', '1Gi': the largest unit that divides. */
export function binary(bytes: number): string {
  const units = ['', 'Ki', 'Mi', 'Gi', 'Ti'];
  let unit = 0;
  let value = bytes;
  while (unit < units.length - 1 && value >= 1024 && value % 1024 === 0) {
    value /= 1024;
    unit += 1;
  }
  return `${value}${units[unit] ?? ''}`;
}

export async function fileSystemFacts(path: string): Promise<FileSystemFacts> {
  const stat = await statfs(path);
  return {
    capacityBytes: stat.blocks * stat.bsize,
    availableBytes: stat.bavail * stat.bsize,
    inodes: stat.files,
    inodesFree: stat.ffree,
  };
}
