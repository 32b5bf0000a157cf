import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type DebianProgram = { program: string; reason?: undefined } | { program?: undefined; reason: string };

/**
 * A program of one of Debian's packages, unpacked into a cache and never installed: a package may start a
 * service, or stand in the way of what is installed. `others` are packages that it needs, unpacked beside it. `reason`
 * says why it cannot be had.
 */
export function debianProgram(name: string, debianPackage: string, ...others: string[]): DebianProgram {
  const caches = process.getuid?.() === 0 ? '/var/cache/slipway-lab' : join(homedir(), '.cache/slipway-lab');
  const cache = join(caches, debianPackage);
  const find = (): string | undefined =>
    ['usr/bin', 'bin'].map((folder) => join(cache, folder, name)).find((path) => existsSync(path));
  const kept = find();
  if (kept !== undefined) return { program: kept };
  mkdirSync(caches, { recursive: true });
  const part = mkdtempSync(`${cache}.`);
  try {
    let words = '';
    const run = (command: string, ...flags: string[]): boolean => {
      const { status, stderr } = spawnSync(command, flags, { cwd: part, timeout: 120_000 });
      words = String(stderr).trim();
      return status === 0;
    };
    const download = (): boolean => run('apt-get', 'download', debianPackage, ...others);
    if (download() || (run('apt-get', 'update') && download())) {
      const archives = readdirSync(part).filter((file) => file.endsWith('.deb'));
      const unpacked = archives.every((archive) => run('dpkg', '-x', archive, 'root'));
      // Another test may have been faster; its copy is as good.
      if (archives.length > 0 && unpacked && !existsSync(cache)) {
        renameSync(join(part, 'root'), cache);
      }
    }
    const program = find();
    return program === undefined ? { reason: `${debianPackage} cannot be had: ${words}` } : { program };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
