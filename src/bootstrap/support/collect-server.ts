import { runScript } from '../../provision/host.ts';
import type { Node } from '../cluster.ts';
import { SNAPSHOT_SERVICE } from '../components/snapshots.ts';
import { expectedUnits } from '../status/server-status.ts';

/** Bytes of each journal: the newest count. */
const JOURNAL_BYTES = 1_000_000;
const JOURNAL_LINES = 5000;
const COLLECT_MS = 60_000;

/** Commands whose output tells about a system; none prints the content of a file that may be secret. */
const SYSTEM: ReadonlyArray<[name: string, command: string]> = [
  ['uname', 'uname -a'],
  ['os-release', 'cat /etc/os-release'],
  ['uptime', 'uptime'],
  ['memory', 'cat /proc/meminfo | head -n 20; cat /proc/swaps'],
  ['pressure', 'head -n 2 /proc/pressure/* 2>/dev/null'],
  ['disks', 'df -hT; df -hi; lsblk 2>/dev/null'],
  ['addresses', 'ip address; ip -s link'],
  ['routes', 'ip route; ip rule'],
  ['sockets', 'ss -ltunp; ss -s'],
  ['firewall', 'nft list ruleset 2>/dev/null | head -n 3000'],
  ['processes', 'ps -eo pid,ppid,user,rss,pcpu,etimes,comm --sort -rss | head -n 100'],
  ['clock', 'date; timedatectl 2>/dev/null'],
  ['kernel-log', 'dmesg 2>/dev/null | tail -n 500'],
  ['failed-units', 'systemctl --no-pager --failed; systemctl --no-pager list-units "slipway-*" containerd'],
  ['unit-files', 'systemctl --no-pager cat "slipway-*" 2>/dev/null'],
  ['packages', "dpkg-query -W -f '${Package} ${Version}\\n' 2>/dev/null"],
  ['containers', 'crictl ps -a 2>/dev/null || ctr -n k8s.io containers list 2>/dev/null'],
  [
    'files',
    "find /etc/kubernetes /etc/slipway /opt/slipway /var/lib/slipway -maxdepth 5 -printf '%M %u:%g %s %TY-%Tm-%Td %p\\n' 2>/dev/null | head -n 2000",
  ],
];

const MARK = '\u001dsection ';

/** Files of the bundle for one server, by name. Nothing is redacted yet. */
export async function collectServer(node: Node): Promise<Map<string, string>> {
  const units = [...expectedUnits(node, true), ...(node.isControlPlane ? [SNAPSHOT_SERVICE] : [])];
  const script = `
section() { printf '\\n${MARK}%s\\n' "$1"; }
${SYSTEM.map(([name, command]) => `section system/${name}.txt\n(${command}) </dev/null 2>&1 | head -c 500000`).join('\n')}
${units.map((unit) => `section journal/${unit.replace(/\.service$/, '')}.log\njournalctl --unit ${unit} --lines ${JOURNAL_LINES} --no-pager --output short-iso-precise 2>&1 | tail -c ${JOURNAL_BYTES}`).join('\n')}
true
`;
  const { signal } = node.cluster;
  const text = await runScript(node.host, 'collecting logs', script, { signal, timeoutMs: COLLECT_MS });
  const files = new Map<string, string>();
  for (const section of text.split(`\n${MARK}`).slice(1)) {
    const end = section.indexOf('\n');
    files.set(section.slice(0, end), section.slice(end + 1));
  }
  return files;
}
