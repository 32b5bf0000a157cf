import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { SlipwayError } from '../../base/errors.ts';

const run = promisify(execFile);

/** Mounts of this host: what the kubelet makes besides plain folders. */
export interface Mounter {
  /** A memory file system; `sizeBytes` 0 for the kernel's default. */
  tmpfs(target: string, sizeBytes: number): Promise<void>;
  bind(source: string, target: string): Promise<void>;
  unmount(target: string): Promise<void>;
  /** Mount points at or below a path, the deepest first. */
  under(path: string): Promise<string[]>;
}

export const hostMounter: Mounter = {
  tmpfs: (target, sizeBytes) =>
    mountCommand('mount', ['-t', 'tmpfs', '-o', tmpfsOptions(sizeBytes), 'tmpfs', target]),
  // The source may be /proc/<pid>/fd/N, which must not be resolved again.
  bind: (source, target) => mountCommand('mount', ['--no-canonicalize', '--bind', source, target]),
  unmount: (target) => mountCommand('umount', [target]),
  async under(path) {
    const text = await readFile('/proc/self/mountinfo', 'utf8');
    return mountPoints(text)
      .filter((point) => point === path || point.startsWith(`${path}/`))
      .sort((a, b) => b.length - a.length);
  },
};

const tmpfsOptions = (sizeBytes: number): string =>
  sizeBytes > 0 ? `mode=0777,size=${sizeBytes}` : 'mode=0777';

async function mountCommand(command: string, args: string[]): Promise<void> {
  try {
    await run(command, args, { timeout: 30_000 });
  } catch (error) {
    const text = (error as { stderr?: string }).stderr?.trim() ?? '';
    throw new SlipwayError('E_MOUNT', `${command} ${args.join(' ')} failed: ${text}`, { cause: error });
  }
}

/** The fifth field of each line, with the kernel's octal escapes undone. */
export function mountPoints(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) => line.split(' ')[4])
    .filter((point) => point !== undefined)
    .map((point) =>
      point.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    );
}
