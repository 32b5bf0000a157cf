import type { FileSpec } from '../../provision/files.ts';
import type { Node } from '../cluster.ts';
import { usesEtcd } from '../etcd/state.ts';
import { render } from '../render.ts';
import { clientUrl } from './etcd.ts';
import { PKI_DIRECTORY, STORE_DIRECTORY } from './files.ts';

/** Where control planes keep snapshots of the store; also when they are taken out of a cluster's inventory. */
export const SNAPSHOT_DIRECTORY = '/var/lib/slipway/snapshots';
export const SNAPSHOT_SERVICE = 'slipway-snapshot.service';
export const SNAPSHOT_TIMER = 'slipway-snapshot.timer';

/** When a snapshot was taken, from its name: '20261124T124500Z-r1234.snapshot'. */
export const snapshotTimeMs = (name: string): number =>
  Date.parse(name.replace(/^(\d{4})(\d\d)(\d\dT\d\d)(\d\d)(\d\dZ).*$/, '$1-$2-$3:$4:$5'));

/** '6h' in milliseconds; undefined for 'never'. */
export function intervalMs(every: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d+)([mhd])$/.exec(every) ?? [];
  const units: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
  const unitMs = units[unit];
  return unitMs === undefined ? undefined : Number(count) * unitMs;
}

/** The timer and what it starts. Neither depends on the release: the next snapshot is taken by the one that is current then. */
export function snapshotUnits(node: Node): FileSpec[] {
  const { cluster } = node;
  const { every, keep } = cluster.inventory.snapshots;
  const pki = (name: string): string => `${PKI_DIRECTORY}/${name}`;
  const store = usesEtcd(cluster)
    ? [
        `--etcd=${clientUrl('127.0.0.1')}`,
        `--cacert=${pki('etcd/ca.crt')}`,
        `--cert=${pki('etcd/healthcheck-client.crt')}`,
        `--key=${pki('etcd/healthcheck-client.key')}`,
      ]
    : [`--embedded=${STORE_DIRECTORY}`];
  const command = [
    '/usr/local/bin/slipway store-snapshot take',
    `--to=${SNAPSHOT_DIRECTORY}`,
    `--keep=${keep}`,
  ];
  const unit = (name: string, values: Record<string, unknown>): FileSpec => ({
    path: `/etc/systemd/system/${name}`,
    content: render(`systemd/${name}.hbs`, values),
    mode: 0o644,
  });
  return [
    unit(SNAPSHOT_SERVICE, {
      command: [...command, ...store].join(' \\\n  '),
      directory: SNAPSHOT_DIRECTORY,
      storeDirectory: usesEtcd(cluster) ? '' : STORE_DIRECTORY,
    }),
    unit(SNAPSHOT_TIMER, { every }),
  ];
}
