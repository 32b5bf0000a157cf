import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { CNI_FILE, cniConfig, writeCniConfig } from '../../src/network/cni-config.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

test('the configuration gives pods a cable, an address of the node, and host ports', (t) => {
  t.is(
    cniConfig({ podCidrs: ['10.244.0.0/24', 'fd00:244::/64'], mtu: 1450 }),
    `{
  "cniVersion": "1.0.0",
  "name": "slipway",
  "plugins": [
    {
      "type": "ptp",
      "mtu": 1450,
      "ipMasq": false,
      "ipam": {
        "type": "host-local",
        "dataDir": "/run/slipway/cni-ipam",
        "ranges": [
          [
            {
              "subnet": "10.244.0.0/24"
            }
          ],
          [
            {
              "subnet": "fd00:244::/64"
            }
          ]
        ],
        "routes": [
          {
            "dst": "0.0.0.0/0"
          },
          {
            "dst": "::/0"
          }
        ]
      }
    },
    {
      "type": "portmap",
      "capabilities": {
        "portMappings": true
      },
      "snat": true
    }
  ]
}
`,
  );
});

test('the file is replaced in one step, and not touched where nothing changes', async (t) => {
  const folder = join(await temporaryDirectory(t), 'net.d');
  const text = cniConfig({ podCidrs: ['10.244.0.0/24'] });
  t.true(await writeCniConfig(folder, text));
  const first = await stat(join(folder, CNI_FILE));
  t.false(await writeCniConfig(folder, text));
  t.is((await stat(join(folder, CNI_FILE))).ino, first.ino);
  // Another node's example stays where it is.
  await writeFile(join(folder, '87-podman.conflist'), '{}');
  const changed = cniConfig({ podCidrs: ['10.244.5.0/24'] });
  t.true(await writeCniConfig(folder, changed));
  t.is(await readFile(join(folder, CNI_FILE), 'utf8'), changed);
  t.deepEqual((await readdir(folder)).toSorted(), [CNI_FILE, '87-podman.conflist']);
});
