import type { LabServer } from './server.ts';
import { systemInventory } from './up-command.ts';

/** Everything that a reset must put back; what the kernel has, too. */
export async function everything(server: LabServer): Promise<string> {
  const folders = ['/etc', '/usr/local', '/opt', '/root', '/home', '/srv'];
  // Times are of no interest: a file that was put back is the same file.
  const files = (await systemInventory(server, folders))
    .split('\n')
    .map((line) => line.replace(/^(\/\S+ [fl] \S+) \S+ /, '$1 ').replace(/^(\/\S+ d) \S+ \S+ /, '$1 '))
    .filter(
      (line) =>
        !/^\/etc\/(passwd-|group-|shadow-|gshadow-|subuid-|subgid-|ld\.so\.cache|\.pwd\.lock) /.test(line),
    );
  const kernel = await server.exec(`
ip -o link | awk '{print "link", $2}' | sed 's/@.*//'
ip -o address show lo | awk '{print "lo", $4}'
ip route show | sed 's/^/route /'
awk '{print "mount", $2}' /proc/mounts | grep -v ' /run/user' | sort
ls -d /var/lib/*/ /var/log/*/ | sed 's/^/var /'
ls /run | grep -E 'slipway|containerd|netns' | sed 's/^/run /'
command -v nft >/dev/null && nft -s list ruleset | sed 's/^/nft /' || true
pgrep -l 'slipway|containerd|etcd' | awk '{print "process", $2}' || true
`);
  return [...files, kernel].join('\n');
}

/**
 * What an installation has made of a server, so that two installations with other keys can be compared: files with their
 * modes, owners and content, units and which of them run, users, packages. Keys, certificates, and hashes over them are
 * left out of the content, and times of everything.
 */
export const installedState = (server: LabServer): Promise<string> =>
  server.exec(`
for at in /etc /opt /usr/local /var/lib/slipway /var/lib/kubelet/pki; do
  [ -e "$at" ] && find "$at" -xdev \\( -path /var/lib/slipway/store -o -path '/var/lib/slipway/etcd/data' -o -path /var/lib/slipway/ledger \\) -prune -o \\
    -printf '%y %p %m %u:%g %l\\n'
done | sed -E 's/kubelet-(client|server)-[0-9-]+\\.pem/kubelet-\\1-TIME.pem/g' | grep -Ev ' /etc/(passwd-|group-|shadow-|gshadow-|subuid-|subgid-|ld\\.so\\.cache|\\.pwd\\.lock)' | sort -u
for at in /etc/kubernetes /etc/slipway /etc/systemd/system /etc/containerd /etc/cni /etc/sysctl.d; do
  [ -e "$at" ] && find "$at" -type f | sort | while read -r file; do
    echo "content $file $(sed -E 's#[A-Za-z0-9+/=]{16,}#X#g' "$file" | uniq | sha256sum)"
  done
done
find /opt /usr/local -type f -exec sha256sum {} + | sort
systemctl list-unit-files --no-legend --no-pager | awk '$2 != "transient" {print "unit", $1, $2}'
for unit in $(ls /etc/systemd/system | grep slipway) containerd.service; do echo "runs $unit $(systemctl is-active "$unit")"; done
cut -d: -f1,6,7 /etc/passwd
dpkg-query -W -f '\${Package} \${Version} \${db:Status-Status}\\n'
echo "forwarding $(cat /proc/sys/net/ipv4/ip_forward)"
`);

/** What no run may leave on a server, whether it was killed or not: half files, uploads, locks, tokens. */
export async function leftovers(server: LabServer): Promise<string[]> {
  const text = await server.exec(`
find /etc /opt /usr/local /var/lib/slipway /var/lib/kubelet /run/slipway-operator /tmp -xdev \\( -name '*.slipway-new' -o -name '*.part' -o -name bundle.tar \\
  -o -name bootstrap-kubelet.conf -o -name 'slipway-image.*' -o -path /run/slipway-operator -o -path /var/lib/slipway/packages/repository \\) 2>/dev/null
ls -d /run/slipway-preflight-* /var/lib/slipway/ledger/before/*.new /tmp/tmp.* 2>/dev/null
true
`);
  return text.split('\n').filter(Boolean);
}
