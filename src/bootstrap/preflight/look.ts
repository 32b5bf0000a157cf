import { runScript, type Host } from '../../provision/host.ts';

/** What one closer look at a server finds out, beyond the facts that every command gathers. */
export interface Look {
  /** Hardware addresses by interface; loopback, bridges of containers and virtual pairs left out. */
  links: Array<{ interface: string; mac: string; mtu: number }>;
  /** The interface that has the address, by the address. */
  addresses: Map<string, string>;
  /** Kernel features by name, and whether the kernel has each: built in, loaded, or as a module. */
  features: Map<string, boolean>;
  /** cgroup controllers that can be used. */
  controllers: Set<string>;
  /** Folders and units of other installers that are there. */
  leftovers: string[];
  /** Rules that drop: 'nft inet filter/input', 'iptables INPUT'. */
  firewall: string[];
  /** Whether the clock is kept by NTP, as timedatectl says; undefined where it does not say. */
  clockSynchronized: boolean | undefined;
  /** Containers and virtual machines get their memory from the host: 'none', 'kvm', 'lxc' … */
  virtualization: string;
}

/** Kernel features: how each shows that it is there; its module; its option in the kernel's configuration. */
const FEATURES: ReadonlyArray<[name: string, module: string, option: string, test: string]> = [
  ['overlay', 'overlay', 'OVERLAY_FS', 'grep -qw overlay /proc/filesystems'],
  ['nf_tables', 'nf_tables', 'NF_TABLES', 'grep -qw ^nf_tables /proc/modules || nft list tables'],
  ['conntrack', 'nf_conntrack', 'NF_CONNTRACK', '[ -e /proc/sys/net/netfilter/nf_conntrack_max ]'],
  ['bridge', 'bridge', 'BRIDGE', '[ -d /sys/module/bridge ]'],
  ['veth', 'veth', 'VETH', '[ -d /sys/module/veth ]'],
];

const CONTROLLERS = ['cpu', 'memory', 'pids', 'cpuset'];

/** What other installers leave, and whose it is. */
const LEFTOVERS: ReadonlyArray<[path: string, what: string]> = [
  ['/etc/kubernetes/admin.conf', 'kubeadm (/etc/kubernetes/admin.conf)'],
  ['/etc/kubernetes/manifests/kube-apiserver.yaml', 'kubeadm (/etc/kubernetes/manifests)'],
  ['/var/lib/kubeadm', 'kubeadm (/var/lib/kubeadm)'],
  ['/etc/rancher/k3s', 'k3s (/etc/rancher/k3s)'],
  ['/var/lib/rancher/k3s', 'k3s (/var/lib/rancher/k3s)'],
  ['/etc/rancher/rke2', 'rke2 (/etc/rancher/rke2)'],
  ['/var/lib/rancher/rke2', 'rke2 (/var/lib/rancher/rke2)'],
  ['/var/lib/k0s', 'k0s (/var/lib/k0s)'],
  ['/var/snap/microk8s', 'microk8s (/var/snap/microk8s)'],
  ['/var/lib/docker', 'docker (/var/lib/docker)'],
];

const SCRIPT = `
say() { printf '%s\\t%s\\t%s\\t%s\\n' "$1" "$2" "$3" "$4"; }
for at in /sys/class/net/*; do
  name=\${at##*/}
  case $name in lo|veth*|cni*|docker*|br-*|slipway*|kube*|cali*|flannel*) continue;; esac
  say link "$name" "$(cat "$at/address" 2>/dev/null)" "$(cat "$at/mtu" 2>/dev/null)"
done
ip -o -4 address show 2>/dev/null | awk '{split($4, at, "/"); print "at\\t" at[1] "\\t" $2}'
feature() {
  if (eval "$3") >/dev/null 2>&1 || grep -qE "(^|/)$2[.]ko" "/lib/modules/$(uname -r)/modules.builtin" "/lib/modules/$(uname -r)/modules.dep" 2>/dev/null; then
    say feature "$1" yes
  elif zcat /proc/config.gz 2>/dev/null | grep -qiE "^CONFIG_($4)=[ym]"; then say feature "$1" yes
  elif [ -d "/lib/modules/$(uname -r)" ]; then say feature "$1" no
  else say feature "$1" unknown
  fi
}
${FEATURES.map(([name, module, option, test]) => `feature ${name} ${module} '${test}' ${option}`).join('\n')}
for name in $(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null); do say controller "$name"; done
awk 'NR > 1 && $4 == 1 {print "controller\\t" $1}' /proc/cgroups 2>/dev/null
${LEFTOVERS.map(([path, what]) => `[ -e '${path}' ] && say leftover '${what}'`).join('\n')}
if command -v nft >/dev/null; then
  nft list ruleset 2>/dev/null | awk '
    /^table/ {table = $2 " " $3}
    $1 == "chain" {chain = $2}
    /type filter hook (input|forward).*policy drop/ {print "drop\\tnft " table "/" chain}
    /type filter hook input/ {input = 1}
    /hook/ && !/hook input/ {input = 0}
    $1 == "}" {input = 0}
    input && /(^|[ \\t])(drop|reject)/ && !/ct state invalid/ {print "drop\\tnft " table "/" chain}'
elif command -v iptables >/dev/null; then
  iptables -S 2>/dev/null | awk '/^-P (INPUT|FORWARD) DROP/ {print "drop\\tiptables " $2}
    /^-A INPUT .*-j (DROP|REJECT)/ {print "drop\\tiptables INPUT"}'
fi
say ntp "$(timeout 5 timedatectl show --property=NTPSynchronized --value 2>/dev/null)"
say virtualization "$(systemd-detect-virt 2>/dev/null)"
true
`;

/** One round trip; changes nothing on the server. */
export async function lookCloser(host: Host, signal: AbortSignal): Promise<Look> {
  return parseLook(await runScript(host, 'looking closer', SCRIPT, { signal }));
}

/** Reads the lines of the script: a word and its tab-separated values. */
export function parseLook(text: string): Look {
  const rows = new Map<string, string[][]>();
  for (const line of text.split('\n')) {
    const [word = '', ...values] = line.split('\t');
    rows.set(word, [...(rows.get(word) ?? []), values]);
  }
  const all = (word: string): string[][] => rows.get(word) ?? [];
  const one = (word: string): string => all(word)[0]?.[0] ?? '';
  return {
    links: all('link').map(([name = '', mac = '', mtu = '']) => ({ interface: name, mac, mtu: Number(mtu) })),
    addresses: new Map(all('at').map(([address = '', name = '']) => [address, name])),
    features: new Map(
      all('feature')
        .filter(([, has]) => has !== 'unknown')
        .map(([name = '', has]) => [name, has === 'yes']),
    ),
    controllers: new Set(
      all('controller')
        .map(([name = '']) => name)
        .filter((name) => CONTROLLERS.includes(name)),
    ),
    leftovers: all('leftover').map(([what = '']) => what),
    firewall: [...new Set(all('drop').map(([where = '']) => where))].filter(
      (where) => !/slipway|kube/.test(where),
    ),
    clockSynchronized: one('ntp') === '' ? undefined : one('ntp') === 'yes',
    virtualization: one('virtualization') || 'none',
  };
}
