import { usesEtcd } from '../etcd/state.ts';
import type { Node } from '../cluster.ts';
import { render } from '../render.ts';
import { buildComponent, type Component } from './component.ts';
import { ETCD_METRICS_PORT } from './etcd.ts';

export const KEEPALIVED_UNIT = 'slipway-keepalived.service';
/** The distribution's own service, which must not run beside ours. */
export const DISTRIBUTION_KEEPALIVED_UNIT = 'keepalived.service';
const CONFIG = '/etc/slipway/keepalived.conf';
const CHECK = '/etc/slipway/check-api.sh';
const RUN = '/run/slipway-keepalived';

/** The distribution's keepalived, which holds the API's virtual address where its own API server works. */
export function virtualAddress(node: Node): Component {
  const { cluster, address } = node;
  const { api } = cluster.inventory;
  const virtual = api.virtualAddress;
  const own = node.facts.addresses.find((found) => found.address === address);
  if (virtual === undefined || own === undefined) throw new Error(`${node.name} holds no virtual address`);
  const index = cluster.controlPlanes.indexOf(node);
  const check = render('config/check-api.sh.hbs', {
    port: api.port,
    healthPort: usesEtcd(cluster) ? ETCD_METRICS_PORT : undefined,
  });
  const config = render('config/keepalived.conf.hbs', {
    checkScript: CHECK,
    interface: own.interface,
    // Must differ between clusters of one network: the address does.
    routerId: (Number(virtual.split('.')[3]) % 255) + 1,
    priority: 150 - index,
    address,
    peers: cluster.controlPlanes.filter((other) => other !== node).map((other) => other.address),
    virtualAddress: virtual,
    prefix: own.prefix,
  });
  const pids = ['pid', 'vrrp_pid'].map((name) => `--${name}=${RUN}/${name}`);
  const flags = ['--dont-fork', '--log-console', '--vrrp', `--use-file=${CONFIG}`, ...pids];
  return buildComponent({
    unit: KEEPALIVED_UNIT,
    unitPath: `/etc/systemd/system/${KEEPALIVED_UNIT}`,
    template: `systemd/${KEEPALIVED_UNIT}.hbs`,
    values: {
      command: ['/usr/sbin/keepalived', ...flags].join(' \\\n  '),
      nodeOptions: undefined,
      oomScoreAdjust: undefined,
    },
    files: [
      { path: CHECK, content: check, mode: 0o755 },
      { path: CONFIG, content: config, mode: 0o644 },
    ],
    version: '',
  });
}
