import { readFile } from 'node:fs/promises';
import { ociImage, type ImageFile } from '../../scripts/build/oci-image.ts';

const APPLETS =
  'sh ash cat cp date dd df echo env expr false grep head hostname httpd id ip kill ls mkdir mktemp mv nc netstat nslookup ping ' +
  'printf ps pwd rm sed seq sleep sort stat sync tail tar tee telnet test timeout top touch tr true uname vi wc wget which xargs yes';

/** busybox as an image: a shell and small tools, among them wget, nc, httpd, nslookup. Needs busybox-static here. */
export async function busyboxImage(
  name = 'slipway.local/busybox:1',
  busyboxPath = '/usr/bin/busybox',
): Promise<Buffer> {
  const folders = ['bin', 'etc', 'home', 'root', 'tmp', 'usr', 'usr/bin', 'var', 'www'];
  return await ociImage({
    name,
    files: [
      ...folders.map((path): ImageFile => ({
        path: `${path}/`,
        folder: true,
        ...(path === 'tmp' ? { mode: 0o1777 } : {}),
      })),
      { path: 'bin/busybox', content: await readFile(busyboxPath) },
      ...APPLETS.split(' ').map((applet) => ({ path: `bin/${applet}`, linkTo: 'busybox' })),
      {
        path: 'etc/passwd',
        content: 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/home:/bin/false\n',
        mode: 0o644,
      },
      { path: 'etc/group', content: 'root:x:0:\nnogroup:x:65534:\n', mode: 0o644 },
    ],
    config: { Cmd: ['sh'], Env: ['PATH=/bin:/usr/bin'] },
  });
}
