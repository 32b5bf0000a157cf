import { run } from './command.ts';
import { labPackages } from './packages.ts';
import type { LabServer } from './server.ts';

/** Puts a node's packages on a server without the installer: for tests of one component alone. */
export async function installPackages(server: LabServer, packages?: readonly string[]): Promise<void> {
  const folder = await labPackages(packages);
  const archive = await run('sh', ['-c', 'tar -C "$1" -cf - . | base64 -w0', 'sh', folder]);
  await server.exec('mkdir -p /root/debs && base64 -d | tar -C /root/debs -xf -', { input: archive });
  await server.exec(
    'DEBIAN_FRONTEND=noninteractive dpkg --install --recursive /root/debs && rm -r /root/debs',
    {
      timeoutMs: 180_000,
    },
  );
}

/** Loads an image into a server's containerd. */
export async function importImage(server: LabServer, image: Buffer): Promise<void> {
  await server.exec('base64 -d > /root/image.tar', { input: image.toString('base64') });
  await server.exec('systemctl start containerd && ctr -n k8s.io images import /root/image.tar');
}
