import { LEDGER_DIRECTORY } from '../../provision/ledger.ts';

/** Folders that our components and the packages that we installed fill while they run. */
const RUNTIME_FOLDERS = [
  '/etc/kubernetes',
  '/etc/slipway',
  '/etc/cni',
  '/etc/containerd',
  '/etc/keepalived',
  '/opt/slipway',
  '/opt/cni',
  '/opt/containerd',
  '/var/lib/kubelet',
  '/var/lib/containerd',
  '/var/lib/cni',
  '/var/lib/etcd',
  '/var/log/pods',
  '/var/log/containers',
  '/var/log/slipway',
];

/** Marks the routes of `src/network/routes.ts` in the kernel's table. */
const ROUTE_PROTOCOL = 115;

const CONTAINERD_UNIT = 'containerd.service';

/** Tables of nftables that are ours by name. */
const TABLES = ['slipway-proxy', 'slipway-network'];

/**
 * A script that ends what runs and takes away what it left in the kernel and on the disk, beyond what the ledger has:
 * containers, pods' networks, firewall tables, routes, the address of DNS, mounts, cgroups. Folders that were there
 * before the installation stay. Running it again is harmless.
 */
export function cleanTracesScript({ dnsAddress }: { dnsAddress: string }): string {
  return `set -u
${BEFORE}
units=$(systemctl list-units --all --plain --no-legend 'slipway-*' | awk '{print $1}')
[ -z "$units" ] || systemctl stop $units

${CONTAINERS}
${NETWORK}
${TABLES.map(deleteTable).join('\n')}
${FIREWALL}
${ROUTES}
${dnsAddressGone(dnsAddress)}
${MOUNTS}
if ! had_package containerd; then
${CONTAINERD}
fi
rm -rf /run/slipway
for at in ${RUNTIME_FOLDERS.join(' ')}; do known "$at" || rm -rf "$at"; done
find /var/lib/slipway -mindepth 1 -maxdepth 1 ! -name ledger -exec rm -rf {} + 2>/dev/null
left=$(pgrep -x slipway -l 2>/dev/null | head -n 3)
[ -z "$left" ] || { echo "still running: $left" >&2; exit 1; }
exit 0
`;
}

/**
 * The same for the units that one step started and the packages that it brought; the empty string where they leave nothing.
 * What they keep for the cluster (the store, members' data) stays: that is a matter of a reset.
 */
export function unitTracesScript(options: {
  /** They are stopped. */
  units: readonly string[];
  /** They ran before the step as well, and go on. */
  restarted: readonly string[];
  packages: readonly string[];
  dnsAddress: string;
}): string {
  const folders = (...paths: string[]): string =>
    `for at in ${paths.join(' ')}; do known "$at" || rm -rf "$at"; done`;
  const traces: Record<string, readonly string[]> = {
    'slipway-apiserver.service': [folders('/var/log/slipway')],
    'slipway-kubelet.service': [
      CONTAINERS,
      NETWORK,
      FIREWALL,
      MOUNTS,
      folders('/var/lib/kubelet', '/var/lib/cni', '/var/log/pods', '/var/log/containers'),
      // It wrote it itself, when it had a certificate.
      'rm -f /etc/kubernetes/kubelet.conf',
    ],
    'slipway-network.service': [
      deleteTable('slipway-network'),
      FIREWALL,
      ROUTES,
      'rm -f /etc/cni/net.d/10-slipway.conflist',
    ],
    'slipway-proxy.service': [deleteTable('slipway-proxy')],
    [CONTAINERD_UNIT]: [folders('/opt/containerd')],
    'slipway-dns.service': [dnsAddressGone(options.dnsAddress)],
  };
  const parts = options.units.flatMap((unit) => traces[unit] ?? []);
  // With our settings it makes folders that it does not make with the distribution's.
  if (options.restarted.includes(CONTAINERD_UNIT)) parts.push(...(traces[CONTAINERD_UNIT] ?? []));
  if (options.packages.includes('containerd')) {
    parts.push(
      CONTAINERD,
      folders('/etc/containerd', '/var/lib/containerd', '/opt/containerd', '/opt/cni', '/etc/cni'),
    );
  }
  if (options.units.length === 0 && parts.length === 0) return '';
  const stop = options.units.length === 0 ? '' : `systemctl stop ${options.units.join(' ')}\n`;
  return `set -u\n${BEFORE}\n${stop}${parts.join('\n')}\nexit 0\n`;
}

/** What the inventory from before the installation has. */
const BEFORE = `INVENTORY='${LEDGER_DIRECTORY}/inventory'
known() { [ -f "$INVENTORY" ] && grep -q "^path	$1	" "$INVENTORY"; }
had_package() { [ -f "$INVENTORY" ] && grep -q "^package	$1	" "$INVENTORY"; }`;

const deleteTable = (table: string): string =>
  `for family in ip ip6; do nft delete table $family ${table} 2>/dev/null || true; done`;

const ROUTES = `for family in -4 -6; do ip $family route flush proto ${ROUTE_PROTOCOL} 2>/dev/null || true; done`;

const dnsAddressGone = (address: string): string =>
  `ip address del '${address}/32' dev lo 2>/dev/null || true`;

const MOUNTS = `awk '$2 ~ "^/var/lib/kubelet/|^/run/slipway/" {print $2}' /proc/mounts | sort -r | while read -r at; do umount "$at" || umount -l "$at"; done
find /sys/fs/cgroup -depth -type d -path '*kubepods*' -exec rmdir {} + 2>/dev/null`;

const CONTAINERD = `systemctl stop containerd 2>/dev/null || true
awk '$2 ~ "^/(run|var/lib)/containerd/" {print $2}' /proc/mounts | sort -r | while read -r at; do umount "$at" || umount -l "$at"; done
rm -rf /run/containerd`;

/** Pods that systemd knows nothing of: their containers live on when the kubelet is stopped. */
const CONTAINERS = `if command -v ctr >/dev/null && systemctl is-active --quiet containerd; then
  tries=0
  while [ $tries -lt 20 ]; do
    tries=$((tries + 1))
    for id in $(ctr -n k8s.io tasks ls -q </dev/null); do
      timeout 10 ctr -n k8s.io tasks kill -a -s KILL "$id" </dev/null 2>/dev/null
      timeout 10 ctr -n k8s.io tasks rm -f "$id" </dev/null >/dev/null 2>&1
    done
    for id in $(ctr -n k8s.io containers ls -q </dev/null); do timeout 10 ctr -n k8s.io containers rm "$id" </dev/null 2>/dev/null; done
    [ -n "$(ctr -n k8s.io containers ls -q </dev/null)" ] || break
    sleep 0.5
  done
  for name in $(ctr -n k8s.io images ls -q </dev/null); do ctr -n k8s.io images rm "$name" </dev/null >/dev/null 2>&1; done
fi
for pid in $(pgrep -f 'containerd-shim-runc-v2 .*-namespace k8s.io'); do kill -9 "$pid" 2>/dev/null; done`;

/** A pod's cable goes with its network namespace. */
const NETWORK = `for name in $(ls /run/netns 2>/dev/null); do
  case "$name" in cni-*) umount "/run/netns/$name" 2>/dev/null; rm -f "/run/netns/$name" ;; esac
done
[ -z "$(ls -A /run/netns 2>/dev/null)" ] && { umount /run/netns 2>/dev/null; rmdir /run/netns 2>/dev/null; }`;

/**
 * What CNI's portmap and our exception for pods added to iptables. Tables that iptables made for it, and that hold no
 * rule now, go too, where they were not there before.
 */
const FIREWALL = `for tables in iptables ip6tables; do
  command -v $tables-save >/dev/null || continue
  for table in nat filter mangle; do
    rules=$($tables-save -t $table 2>/dev/null | grep -E '^(-A .*(CNI-|"slipway pods")|:CNI-)' || true)
    [ -n "$rules" ] || continue
    echo "$rules" | grep -- '^-A' | sed "s/^-A/-D/" | while read -r rule; do eval "$tables -t $table $rule" 2>/dev/null; done
    for chain in $(echo "$rules" | sed -n 's/^:\\(CNI-[^ ]*\\) .*/\\1/p'); do $tables -t $table -F "$chain" 2>/dev/null; done
    for chain in $(echo "$rules" | sed -n 's/^:\\(CNI-[^ ]*\\) .*/\\1/p'); do $tables -t $table -X "$chain" 2>/dev/null; done
  done
done
for family in ip ip6; do
  for table in nat filter mangle; do
    text=$(nft -s list table $family $table 2>/dev/null) || continue
    [ -f "$INVENTORY" ] && grep -q "^nft	$family $table	" "$INVENTORY" && continue
    # Only chains and their policies are left: nobody has put a rule there.
    echo "$text" | grep -vE '^(table|\\s*chain|\\s*type .* policy accept;|\\s*}|$)' | grep -q . || nft delete table $family $table
  done
done`;
