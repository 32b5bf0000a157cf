import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { pack } from 'tar-stream';
import { rfc3339 } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import { SUPER_ADMIN } from '../../pki/identities.ts';
import type { ActionOptions } from '../actions/run-action.ts';
import { openApiAccess } from '../api-access.ts';
import type { Cluster } from '../cluster.ts';
import { identityOf } from '../components/files.ts';
import type { SshEntry } from '../inventory/schema.ts';
import { readSecret } from '../ssh-targets.ts';
import { renderStatus } from '../status/render.ts';
import { StatusWatch, type ClusterStatus } from '../status/status.ts';
import { collectApi } from './collect-api.ts';
import { collectServer } from './collect-server.ts';
import { redactor } from './redact.ts';

export interface SupportResult {
  path: string;
  files: number;
  /** What is missing and why, in sentences. */
  missing: string[];
}

export interface SupportRequest {
  /** The file to write: a .tar.gz. */
  path: string;
  /** Where relative paths of the inventory start from. */
  folder: string;
}

/**
 * Collects what explains a cluster's state into one file: logs, facts, objects, and its status. What has the form of a secret, or
 * is one that the operator keeps, is taken out of every text. Servers and an API that do not answer are left out and named.
 */
export async function support(options: ActionOptions, request: SupportRequest): Promise<SupportResult> {
  const watch = new StatusWatch(options);
  try {
    const status = await watch.look();
    const { cluster } = watch;
    const missing = status.servers.flatMap((server) =>
      server.reached ? [] : [`${server.name}: ${server.message}`],
    );
    const files = new Map<string, string>();
    await Promise.all(
      cluster.nodes
        .filter((node) => node.connected)
        .map(async (node) => {
          try {
            for (const [name, text] of await collectServer(node))
              files.set(`servers/${node.name}/${name}`, text);
          } catch (error) {
            cluster.signal.throwIfAborted();
            missing.push(`${node.name}: ${messageOf(error)}`);
          }
        }),
    );
    for (const [name, text] of await fromApi(cluster, status)) files.set(`api/${name}`, text);
    if (status.api.nodes === undefined) missing.push('the API: no API server answers');
    addOverview(files, status, cluster, missing);
    const redact = redactor(await knownSecrets(cluster, request.folder));
    await write(request.path, cluster, files, redact);
    return { path: request.path, files: files.size, missing };
  } finally {
    await watch.close();
  }
}

async function fromApi(cluster: Cluster, status: ClusterStatus): Promise<Map<string, string>> {
  const ready = cluster.nodes.filter((node) =>
    status.api.servers.some((server) => server.name === node.name && server.ready),
  );
  if (ready.length === 0) return new Map();
  const access = await openApiAccess(
    ready.map(({ host }) => host),
    {
      port: cluster.inventory.api.port,
      caPem: cluster.pki['pki/ca.crt'] ?? '',
      identity: identityOf(cluster, SUPER_ADMIN),
      clock: cluster.clock,
    },
  );
  try {
    return await collectApi(access.client);
  } finally {
    access.close();
  }
}

function addOverview(
  files: Map<string, string>,
  status: ClusterStatus,
  cluster: Cluster,
  missing: readonly string[],
): void {
  files.set('status.txt', `${renderStatus(status).join('\n')}\n`);
  files.set('status.json', `${JSON.stringify(status, undefined, 2)}\n`);
  files.set('inventory.json', `${JSON.stringify(cluster.inventory, undefined, 2)}\n`);
  const { release } = cluster;
  files.set(
    'README.txt',
    `Support bundle of the cluster ${status.cluster}, ${rfc3339(status.nowMs)}, by slipway ${release.id}.\n` +
      'What has the form of a secret is replaced by <removed>. It names servers, addresses and pods.\n' +
      (missing.length === 0 ? '' : `\nMissing:\n${missing.map((line) => `  ${line}\n`).join('')}`),
  );
}

/** The secrets that the operator has: passwords of the inventory, the passphrase, the lines of private keys. */
async function knownSecrets(cluster: Cluster, folder: string): Promise<string[]> {
  const { inventory } = cluster;
  const entries: SshEntry[] = [inventory.ssh, ...inventory.servers.flatMap(({ ssh }) => ssh ?? [])];
  const logins = entries.flatMap((entry) => [entry, ...(entry.bastion ? [entry.bastion] : [])]);
  const sources = logins.flatMap((each) => [each.passwordFrom, each.passphraseFrom, each.sudoPasswordFrom]);
  const where = { folder, env: process.env };
  const secrets = await Promise.all(
    sources.map((source) => readSecret(source, where).catch(() => undefined)),
  );
  const keys = Object.entries(cluster.pki)
    .filter(([path]) => path.endsWith('.key'))
    .flatMap(([, pem]) => pem.split('\n').filter((line) => line.length >= 20 && !line.startsWith('-----')));
  return [...secrets, cluster.passphrase, ...keys].filter((secret) => secret !== undefined);
}

/** Written beside its place and renamed; for its owner alone. */
async function write(
  path: string,
  cluster: Cluster,
  files: ReadonlyMap<string, string>,
  redact: (text: string) => string,
): Promise<void> {
  const archive = pack();
  const folder = `${cluster.inventory.cluster.name}-support`;
  for (const [name, text] of [...files].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    archive.entry(
      { name: `${folder}/${name}`, mode: 0o600, mtime: new Date(cluster.clock.now()) },
      redact(text),
    );
  }
  archive.finalize();
  const temporary = `${path}.new`;
  try {
    await pipeline(archive, createGzip(), createWriteStream(temporary, { mode: 0o600 }));
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
