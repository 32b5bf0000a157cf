import type { Node } from '../cluster.ts';
import { buildComponent, type Component } from './component.ts';
import { ETCD_USER, pairFiles, PKI_DIRECTORY, publicPem } from './files.ts';

export const ETCD_UNIT = 'slipway-etcd.service';
export const ETCD_DIRECTORY = '/var/lib/slipway/etcd';
export const ETCD_DATA = `${ETCD_DIRECTORY}/data`;
/** Made by etcd when it has bootstrapped or joined. */
export const ETCD_MEMBER_DIRECTORY = `${ETCD_DATA}/member`;
/**
 * How a new member finds the others. It is there from before a member's first start until it has served: while it is
 * there, what the member has on disk was never relied upon and may be thrown away.
 */
export const ETCD_INITIAL_FILE = `${ETCD_DIRECTORY}/initial.env`;
/** Debian's own service, which must not run beside ours. */
export const DISTRIBUTION_ETCD_UNIT = 'etcd.service';
const ETCD_OWNER = `${ETCD_USER}:${ETCD_USER}`;
export const ETCD_CLIENT_PORT = 2379;
export const ETCD_PEER_PORT = 2380;
export const ETCD_METRICS_PORT = 2381;
/** Entries of the log after which a member writes its state down and drops what is 5,000 entries older. */
export const ETCD_SNAPSHOT_COUNT = 10_000;

export const clientUrl = (address: string): string => `https://${address}:${ETCD_CLIENT_PORT}`;
export const peerUrl = (address: string): string => `https://${address}:${ETCD_PEER_PORT}`;

/** A member of etcd with mutual TLS among the members and to their clients. */
export function etcd(node: Node): Component {
  const pki = (name: string): string => `${PKI_DIRECTORY}/etcd/${name}`;
  const { address, cluster } = node;
  const flags = [
    `--name=${node.name}`,
    `--data-dir=${ETCD_DATA}`,
    `--listen-client-urls=${clientUrl(address)},${clientUrl('127.0.0.1')}`,
    `--advertise-client-urls=${clientUrl(address)}`,
    `--listen-peer-urls=${peerUrl(address)}`,
    `--initial-advertise-peer-urls=${peerUrl(address)}`,
    `--listen-metrics-urls=http://127.0.0.1:${ETCD_METRICS_PORT}`,
    `--cert-file=${pki('server.crt')}`,
    `--key-file=${pki('server.key')}`,
    `--trusted-ca-file=${pki('ca.crt')}`,
    '--client-cert-auth=true',
    `--peer-cert-file=${pki('peer.crt')}`,
    `--peer-key-file=${pki('peer.key')}`,
    `--peer-trusted-ca-file=${pki('ca.crt')}`,
    '--peer-client-cert-auth=true',
    // A member whose data differs from that of the others at the same revision refuses to start.
    '--experimental-initial-corrupt-check=true',
    `--quota-backend-bytes=${8 * 2 ** 30}`,
    `--snapshot-count=${ETCD_SNAPSHOT_COUNT}`,
    '--logger=zap',
  ];
  return buildComponent({
    unit: ETCD_UNIT,
    unitPath: `/etc/systemd/system/${ETCD_UNIT}`,
    template: `systemd/${ETCD_UNIT}.hbs`,
    values: {
      command: [cluster.etcdBinary?.target ?? '/usr/bin/etcd', ...flags].join(' \\\n  '),
      initialFile: ETCD_INITIAL_FILE,
      dataDirectory: ETCD_DIRECTORY,
      nodeOptions: undefined,
      oomScoreAdjust: node.facts.canLowerOomScore ? -900 : undefined,
    },
    files: [
      publicPem(cluster, 'pki/etcd/ca.crt', 'etcd/ca.crt'),
      ...pairFiles(node, 'etcd/server', ETCD_OWNER),
      ...pairFiles(node, 'etcd/peer', ETCD_OWNER),
      ...pairFiles(node, 'etcd/healthcheck-client', 'root:root'),
    ],
    // A new release of ours is no reason to restart it.
    version: '',
  });
}
