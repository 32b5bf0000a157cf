/**
 * What a server has that an installation could change: files, packages, units, users, sysctls, firewall rules,
 * interfaces, addresses, routes and mounts, one line each. It is taken before our first change, and again after a
 * reset: the two must be equal. What a running system writes by itself is left out, and what a measurement before the
 * installation has mounted for a while.
 */

/** A shell function: `inventory` prints the lines, sorted, fields separated by tabs. */
export const INVENTORY_FUNCTION = `
inventory() (
  # A probe that finds nothing is no failure.
  set +eu
  {
    for at in /etc /usr/local /opt /srv; do
      [ -d "$at" ] || continue
      find "$at" -xdev \\( -name '*.slipway-new' -o -path '/etc/passwd-' -o -path '/etc/group-' -o -path '/etc/shadow-' \\
        -o -path '/etc/gshadow-' -o -path '/etc/subuid-' -o -path '/etc/subgid-' -o -path /etc/.pwd.lock -o -path /etc/ld.so.cache -o -path /etc/mtab \\) -prune -o \\
        -printf 'path\\t%p\\t%y\\t%m\\t%u:%g\\t%l\\n'
      find "$at" -xdev -type f -size -2048k ! -name '*.slipway-new' ! -name '*-' ! -path /etc/ld.so.cache -exec sha256sum {} + 2>/dev/null |
        sed 's/^\\([0-9a-f]*\\)  \\(.*\\)$/content\\t\\2\\t\\1/'
    done
    for at in /var/lib /var/log /var/cache; do
      [ -d "$at" ] && find "$at" -xdev -mindepth 1 -maxdepth 1 -type d -printf 'path\\t%p\\t%y\\t%m\\t%u:%g\\t\\n'
    done
    dpkg-query -W -f 'package\\t\${Package}\\t\${Version}\\t\${db:Status-Status}\\n' 2>/dev/null | grep 'installed$'
    systemctl list-unit-files --no-legend --no-pager 2>/dev/null | awk '$2 != "transient" {print "unit\\t" $1 "\\t" $2}'
    for name in net.ipv4.ip_forward net.ipv6.conf.all.forwarding; do
      printf 'sysctl\\t%s\\t%s\\n' "$name" "$(cat "/proc/sys/$(echo $name | tr . /)" 2>/dev/null)"
    done
    command -v nft >/dev/null && nft -s list ruleset 2>/dev/null | awk '/^table/ {table = $2 " " $3} NF {print "nft\\t" table "\\t" $0}'
    ip -o link show 2>/dev/null | awk '{sub(/@.*/, "", $2); sub(/:$/, "", $2); print "link\\t" $2}'
    ip -o address show 2>/dev/null | awk '{print "address\\t" $2 "\\t" $4}' | grep -v 'fe80:'
    ip -o route show 2>/dev/null | sed 's/ expires [^ ]*//; s/ *$//; s/^/route\\t/'
    awk '{print "mount\\t" $2}' /proc/mounts | grep -vE '\\s/(proc|sys|run/user|run/slipway-preflight-[0-9a-f]*)(/|$)'
  } | LC_ALL=C sort -u
)
`;

/** Lines that only one of two inventories has. */
export function inventoryDifferences(before: string, after: string): { gone: string[]; added: string[] } {
  const [old, now] = [new Set(lines(before)), new Set(lines(after))];
  return {
    gone: [...old].filter((line) => !now.has(line)),
    added: [...now].filter((line) => !old.has(line)),
  };
}

const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

/** A line of an inventory for people: 'path /etc/x f 644 root:root'. */
export const describeLine = (line: string): string => line.replaceAll('\t', ' ').trim();
