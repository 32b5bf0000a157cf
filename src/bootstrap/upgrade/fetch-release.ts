import { chmod, mkdir, rename, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { SlipwayError } from '../../base/errors.ts';
import { runScript } from '../../provision/host.ts';
import { sha256 } from '../../provision/files.ts';
import { runAction, type ActionOptions } from '../actions/run-action.ts';
import { hashFile } from '../hash-file.ts';
import type { Cluster } from '../cluster.ts';
import { cacheDirectory } from '../local-release.ts';
import type { ClusterPhase } from '../phase.ts';
import { connect } from '../phases/connect.ts';
import { isWhole, RELEASES_DIRECTORY } from '../release.ts';

const FETCHED_WITHIN_MS = 1_800_000;

/**
 * Gives the path of a release's executable on this machine; it is fetched from a server that has it where it is not here.
 * E_UPGRADE where none has it whole.
 */
export async function fetchRelease(
  options: ActionOptions,
  id: string,
  env: NodeJS.ProcessEnv,
): Promise<string> {
  const path = join(cacheDirectory(env), 'releases', id, 'slipway');
  if (await isHere(path, id)) return path;
  const fetch: ClusterPhase = {
    id: 'fetch-release',
    title: `Fetch release ${id} from a server`,
    kind: 'check',
    run: async (cluster) => {
      const content = await fetchFrom(cluster, id);
      const temporary = `${path}.${process.pid}`;
      await mkdir(dirname(path), { recursive: true });
      await writeFile(temporary, content);
      await chmod(temporary, 0o755);
      await rename(temporary, path);
    },
  };
  await runAction(options, [connect(options.open), fetch]);
  return path;
}

async function isHere(path: string, id: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && isWhole(id, await hashFile(path));
}

async function fetchFrom(cluster: Cluster, id: string): Promise<Buffer> {
  const source = `${RELEASES_DIRECTORY}/${id}/slipway`;
  for (const node of cluster.nodes) {
    const script = `[ -f '${source}' ] || exit 0\ngzip -1c '${source}' | base64 -w 0\n`;
    const text = await runScript(node.host, `fetching release ${id}`, script, {
      timeoutMs: FETCHED_WITHIN_MS,
      signal: cluster.signal,
    });
    if (text === '') continue;
    const content = await promisify(gunzip)(Buffer.from(text, 'base64'));
    if (isWhole(id, sha256(content))) return content;
    node.warn(`${source} is damaged`);
  }
  throw new SlipwayError('E_UPGRADE', `no server has the executable of release ${id} whole`, {
    hint: 'give it with --executable',
  });
}
