import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../base/errors.ts';

/** Sorts before the names that distributions give to their own examples: the first file is the one in force. */
export const CNI_FILE = '10-slipway.conflist';

/**
 * Where host-local keeps which address belongs to which sandbox. In /run, so that a reboot, which ends every
 * sandbox, also frees every address.
 */
const IPAM_FOLDER = '/run/slipway/cni-ipam';

export interface CniConfigOptions {
  /** Pod ranges of this node, one for each IP family. */
  podCidrs: readonly string[];
  /** MTU of the interface that carries the node's address; the kernel's default where absent. */
  mtu?: number;
}

/**
 * The network that containerd gives to pods, of CNI's reference plugins: a cable from each pod to the host (ptp),
 * an address of the node's range (host-local), host ports (portmap). With a route for each pod instead of a
 * bridge, packets between two pods of a node pass the host's IP layer: the service proxy's answers find their
 * way back, and network policies see them, without the br_netfilter module. containerd adds the loopback itself.
 */
export function cniConfig({ podCidrs, mtu }: CniConfigOptions): string {
  const config = {
    cniVersion: '1.0.0',
    name: 'slipway',
    plugins: [
      {
        type: 'ptp',
        ...(mtu === undefined ? {} : { mtu }),
        ipMasq: false,
        ipam: {
          type: 'host-local',
          dataDir: IPAM_FOLDER,
          ranges: podCidrs.map((subnet) => [{ subnet }]),
          routes: podCidrs.map((subnet) => ({ dst: subnet.includes(':') ? '::/0' : '0.0.0.0/0' })),
        },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** Writes the configuration so that no reader sees half of it; gives whether it was different before. */
export async function writeCniConfig(folder: string, text: string): Promise<boolean> {
  const path = join(folder, CNI_FILE);
  const stands = await readFile(path, 'utf8').catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (stands === text) return false;
  await mkdir(folder, { recursive: true });
  // containerd reads .conf, .conflist and .json alone: the temporary name is none of them.
  const temporary = `${path}.${createHash('sha256').update(text).digest('hex').slice(0, 8)}.new`;
  try {
    const file = await open(temporary, 'w', 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  return true;
}
