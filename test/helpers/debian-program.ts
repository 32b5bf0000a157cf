import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

export type DebianProgram = { program: string; reason?: undefined } | { program?: undefined; reason: string };

/**
 * A program of one of Debian's packages, unpacked into a cache and never installed: a package may start a
 * service, or stand in the way of what is installed. `reason` says why it cannot be had.
 */
export function debianProgram(name: string, debianPackage: string): DebianProgram {
  const caches = process.getuid?.() === 0 ? '/var/cache/slipway-lab' : join(homedir(), '.cache/slipway-lab');
  const cache = join(caches, debianPackage);
  const program = join(cache, 'usr/bin', name);
  if (existsSync(program)) return { program };
  mkdirSync(caches, { recursive: true });
  const part = mkdtempSync(`${cache}.`);
  try {
    let words = '';
    const run = (command: string, ...flags: string[]): boolean => {
      const { status, stderr } = spawnSync(command, flags, { cwd: part, timeout: 120_000 });
      words = String(stderr).trim();
      return status === 0;
    };
    const download = (): boolean => run('apt-get', 'download', debianPackage);
    if (download() || (run('apt-get', 'update') && download())) {
      const archive = readdirSync(part).find((file) => file.endsWith('.deb'));
      // Another test may have been faster; its copy is as good.
      if (archive && run('dpkg', '-x', archive, 'root') && !existsSync(cache)) {
        renameSync(join(part, 'root'), cache);
      }
    }
    return existsSync(program) ? { program } : { reason: `${debianPackage} cannot be had: ${words}` };
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}
