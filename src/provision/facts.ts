import { runScript, type Host } from './host.ts';
import { parseUnit, UNIT_PROBE, type UnitFacts } from './units.ts';

export interface FileFacts {
  sha256: string;
  /** Octal, as stat prints it: '600'. */
  mode: string;
  owner: string;
}

/** What one batched probe finds out about a server. Sizes in bytes. */
export interface Facts {
  hostname: string;
  machineId: string;
  os: { id: string; version: string; codename: string; name: string };
  /** As uname: 'x86_64', 'aarch64'. */
  architecture: string;
  kernel: string;
  /** Name of process 1. */
  init: string;
  /** What systemd-detect-virt --container says: 'none', 'lxc', 'other' … */
  container: string;
  cgroupVersion: 1 | 2;
  cpus: number;
  memoryBytes: number;
  swap: boolean;
  /** The server's wall clock when the probe ran, in milliseconds. */
  nowMs: number;
  addresses: Array<{ interface: string; address: string; prefix: number }>;
  /** Free bytes by the paths that were asked for. */
  freeBytes: Map<string, number>;
  /** Listening TCP ports, with the process that holds each. */
  listening: Array<{ port: number; process: string; pid: number }>;
  /** Versions of installed packages among those that were asked for. */
  packages: Map<string, string>;
  units: Map<string, UnitFacts>;
  files: Map<string, FileFacts>;
  links: Map<string, string>;
  /** Those of the directories that are there. */
  directories: Set<string>;
  /** Sizes of the large files that were asked for and are there. */
  sizes: Map<string, number>;
  /** SHA-256 of the executables that were asked for and are there. */
  executables: Map<string, string>;
  /** By which each of them is known again: inode, size, times of its content and of its last change of any kind. */
  stamps: Map<string, string>;
  /** Names of container images that containerd has for Kubernetes. */
  images: Set<string>;
  users: Set<string>;
  /** Whether a process may protect itself from the out-of-memory killer there. */
  canLowerOomScore: boolean;
  /** Values of the sysctls that were asked for; undefined where there is none. */
  sysctls: Map<string, { value: string; writable: boolean }>;
}

export interface ProbeRequest {
  packages: readonly string[];
  units: readonly string[];
  /** Files below these directories, and single files, are hashed. */
  paths: readonly string[];
  /** Files too large to hash at each run: their size is told. */
  largeFiles: readonly string[];
  /** Large files that are hashed all the same, beside the rest of the probe, unless they are those that are known. */
  executables: ReadonlyArray<{ path: string; known?: { stamp: string; sha256: string } | undefined }>;
  /** Directories whose presence is told. */
  directories: readonly string[];
  disks: readonly string[];
  users: readonly string[];
  /** 'net.ipv4.ip_forward' and the like. */
  sysctls: readonly string[];
}

const words = (items: readonly string[]): string => items.map((item) => `'${item}'`).join(' ');

function probeScript(request: ProbeRequest): string {
  // What takes longest runs beside the rest; its few lines wait in the pipe until the rest has been said.
  return `
hash_of() {
  [ -f "$1" ] || return 0
  stamp=$(stat -c '%i %s %.9Y %.9Z' "$1")
  if [ "$stamp" = "$2" ]; then hash=$3
  else hash=$(sha256sum "$1" </dev/null); hash=\${hash%% *}
  fi
  printf 'executable\\t%s\\t%s\\t%s\\n' "$hash" "$1" "$stamp"
}
hashes() {
  true
${request.executables.map(({ path, known }) => `  hash_of '${path}' '${known?.stamp ?? ''}' '${known?.sha256 ?? ''}'\n`).join('')}}
hashes | {
exec 9<&0 </dev/null
say() { printf '%s\\t%s\\n' "$1" "$2"; }
${UNIT_PROBE}
ID= VERSION_ID= VERSION_CODENAME= PRETTY_NAME=
[ -r /etc/os-release ] && . /etc/os-release
say os.id "$ID"; say os.version "$VERSION_ID"; say os.codename "$VERSION_CODENAME"; say os.name "$PRETTY_NAME"
say architecture "$(uname -m)"; say kernel "$(uname -r)"; say hostname "$(uname -n)"
say machineId "$(cat /etc/machine-id 2>/dev/null)"
say init "$(cat /proc/1/comm)"
say container "$(systemd-detect-virt --container 2>/dev/null)"
say cgroup "$(stat -fc %T /sys/fs/cgroup 2>/dev/null)"
say cpus "$(nproc)"
say memory "$(awk '/^MemTotal/ {print $2}' /proc/meminfo)"
say swap "$(tail -n +2 /proc/swaps | wc -l)"
say now "$(date +%s%3N)"
if (echo -999 >/proc/self/oom_score_adj && [ "$(cat /proc/self/oom_score_adj)" = -999 ]) 2>/dev/null; then say oom yes; else say oom no; fi
ip -o address show 2>/dev/null | awk '{print "address\\t" $2 "\\t" $4}'
for path in ${words(request.disks)}; do
  at=$path
  while [ ! -e "$at" ]; do at=$(dirname "$at"); done
  printf 'disk\\t%s\\t%s\\n' "$path" "$(df -Pk "$at" | awk 'NR == 2 {print $4}')"
done
ss -Hltnp 2>/dev/null | awk '{print "listen\\t" $4 "\\t" $6}'
dpkg-query -W -f 'package\\t\${Package}\\t\${Version}\\t\${db:Status-Status}\\n' ${words(request.packages)} 2>/dev/null
for name in ${words(request.units)}; do unit "$name"; done
for name in ${words(request.users)}; do id "$name" >/dev/null 2>&1 && say user "$name"; done
for path in ${words(request.directories)}; do [ -d "$path" ] && say directory "$path"; done
for path in ${words(request.largeFiles)}; do [ -f "$path" ] && printf 'size\\t%s\\t%s\\n' "$path" "$(stat -c %s "$path")"; done
command -v ctr >/dev/null && timeout 10 ctr -n k8s.io images ls -q 2>/dev/null </dev/null | awk '{print "image\\t" $1}'
for name in ${words(request.sysctls)}; do
  file=/proc/sys/$(echo "$name" | tr . /)
  [ -r "$file" ] || continue
  value=$(cat "$file")
  # Writing the value that is there changes nothing, and shows whether it could be changed.
  if (echo "$value" >"$file") 2>/dev/null; then able=yes; else able=no; fi
  printf 'sysctl\\t%s\\t%s\\t%s\\n' "$name" "$value" "$able"
done
for path in ${words(request.paths)}; do
  [ -e "$path" ] || [ -L "$path" ] || continue
  find "$path" -xdev -type f -size -2048k ! -name '*.slipway-new' ! -name '*.part' -printf 'mode\\t%p\\t%m\\t%u:%g\\n'
  find "$path" -xdev -type l -printf 'link\\t%p\\t%l\\n'
  find "$path" -xdev -type f -size -2048k ! -name '*.slipway-new' ! -name '*.part' -exec sha256sum {} + | sed 's/^\\([0-9a-f]*\\)  /hash\\t\\1\\t/'
done
cat <&9
}
true
`;
}

/** One round trip to a server that finds out everything the phases ask about. Changes nothing there. */
export async function gatherFacts(host: Host, request: ProbeRequest, signal?: AbortSignal): Promise<Facts> {
  const text = await runScript(host, 'gathering facts', probeScript(request), signal ? { signal } : {});
  return parseFacts(text);
}

/** Reads the probe's lines: a name and its tab-separated values. */
function parseFacts(text: string): Facts {
  const single = new Map<string, string>();
  const many = new Map<string, string[][]>();
  for (const line of text.split('\n')) {
    const [name = '', ...values] = line.split('\t');
    single.set(name, values[0] ?? '');
    const rows = many.get(name);
    if (rows) rows.push(values);
    else many.set(name, [values]);
  }
  const one = (name: string): string => single.get(name) ?? '';
  const rows = (name: string): string[][] => many.get(name) ?? [];
  const modes = new Map(rows('mode').map(([path = '', mode = '', owner = '']) => [path, { mode, owner }]));
  return {
    hostname: one('hostname'),
    machineId: one('machineId'),
    os: { id: one('os.id'), version: one('os.version'), codename: one('os.codename'), name: one('os.name') },
    architecture: one('architecture'),
    kernel: one('kernel'),
    init: one('init'),
    container: one('container') || 'none',
    cgroupVersion: one('cgroup') === 'cgroup2fs' ? 2 : 1,
    cpus: Number(one('cpus')),
    memoryBytes: Number(one('memory')) * 1024,
    swap: one('swap') !== '0',
    nowMs: Number(one('now')),
    addresses: rows('address').map(([name = '', cidr = '']) => {
      const [address = '', prefix] = cidr.split('/');
      return { interface: name, address, prefix: Number(prefix) };
    }),
    freeBytes: new Map(rows('disk').map(([path = '', kib = '']) => [path, Number(kib) * 1024])),
    listening: rows('listen').map(([socket = '', users = '']) => ({
      port: Number(socket.split(':').at(-1)),
      process: /"([^"]+)"/.exec(users)?.[1] ?? '',
      pid: Number(/pid=(\d+)/.exec(users)?.[1] ?? 0),
    })),
    packages: new Map(
      rows('package')
        .filter(([, , status]) => status === 'installed')
        .map(([name = '', version = '']) => [name, version]),
    ),
    units: new Map(
      rows('unit').map(([name = '', values = '', config = '', executable = '']) => [
        name,
        parseUnit(values, config, executable),
      ]),
    ),
    files: new Map(
      rows('hash').map(([hash = '', path = '']) => [
        path,
        { sha256: hash, ...(modes.get(path) ?? { mode: '', owner: '' }) },
      ]),
    ),
    links: new Map(rows('link').map(([path = '', target = '']) => [path, target])),
    directories: new Set(rows('directory').map(([path = '']) => path)),
    sizes: new Map(rows('size').map(([path = '', bytes = '']) => [path, Number(bytes)])),
    executables: new Map(rows('executable').map(([hash = '', path = '']) => [path, hash])),
    stamps: new Map(rows('executable').map(([, path = '', stamp = '']) => [path, stamp])),
    images: new Set(rows('image').map(([name = '']) => name)),
    users: new Set(rows('user').map(([name = '']) => name)),
    canLowerOomScore: one('oom') === 'yes',
    sysctls: new Map(
      rows('sysctl').map(([name = '', value = '', able = '']) => [name, { value, writable: able === 'yes' }]),
    ),
  };
}
