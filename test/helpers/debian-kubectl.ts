import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = '/var/cache/slipway-lab/kubectl-debian';
const PROGRAM = join(CACHE, 'usr/bin/kubectl');

/**
 * The kubectl of Debian's own kubernetes-client, years older than the server: many machines have no other.
 * Unpacked beside whatever kubectl is installed, so that both can be tested. `reason` says why it cannot be had.
 */
export function debianKubectl(): { program: string; reason?: undefined } | { reason: string } {
  if (existsSync(PROGRAM)) return { program: PROGRAM };
  if (process.getuid?.() !== 0) return { reason: 'Debian’s kubectl is fetched as root only' };
  const parent = join(CACHE, '..');
  mkdirSync(parent, { recursive: true });
  const folder = mkdtempSync(join(parent, 'kubectl-'));
  try {
    let download = spawnSync('apt-get', ['download', 'kubernetes-client'], { cwd: folder });
    if (download.status !== 0) {
      spawnSync('apt-get', ['update']);
      download = spawnSync('apt-get', ['download', 'kubernetes-client'], { cwd: folder });
    }
    const archive = readdirSync(folder).find((name) => name.endsWith('.deb'));
    if (download.status !== 0 || archive === undefined) {
      return { reason: `kubernetes-client cannot be had: ${String(download.stderr).trim()}` };
    }
    const target = join(folder, 'unpacked');
    const unpack = spawnSync('dpkg', ['-x', join(folder, archive), target]);
    if (unpack.status !== 0) return { reason: `kubernetes-client: ${String(unpack.stderr).trim()}` };
    // Another test file may have been faster: then its copy is as good.
    try {
      renameSync(target, CACHE);
    } catch (error) {
      if (!existsSync(PROGRAM)) throw error;
    }
    return { program: PROGRAM };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
