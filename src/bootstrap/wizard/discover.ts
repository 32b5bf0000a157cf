import { runScript, type Host } from '../../provision/host.ts';

/** What a server shows to whoever may become root there. */
export interface Discovery {
  hostname: string;
  os: string;
  cpus: number;
  memoryMib: number;
  /** 'sda 40G' */
  disks: string[];
  /** Addresses that can be the server's own, the likeliest first. */
  addresses: Array<{ address: string; interface: string }>;
  /** Networks that the server has routes to, in CIDR notation. */
  networks: string[];
}

const SCRIPT = `
say() { printf '%s\\t%s\\t%s\\t%s\\n' "$1" "$2" "$3" "$4"; }
PRETTY_NAME=; [ -r /etc/os-release ] && . /etc/os-release
say hostname "$(uname -n)"; say os "$PRETTY_NAME"; say cpus "$(nproc)"
say memory "$(awk '/^MemTotal/ {print int($2 / 1024)}' /proc/meminfo)"
lsblk -dnro NAME,SIZE,TYPE 2>/dev/null | awk '$3 == "disk" {print "disk\\t" $1 " " $2}'
say default "$(ip -o -4 route show default 2>/dev/null | awk '{for (i = 1; i < NF; i++) if ($i == "dev") {print $(i + 1); exit}}')"
ip -o -4 address show scope global 2>/dev/null | awk '{print "address\\t" $2 "\\t" $4 "\\t" ($0 ~ / secondary / ? "secondary" : "")}'
ip -o -4 route show 2>/dev/null | awk '$1 ~ /\\// {print "route\\t" $1}'
true
`;

/** Interfaces of containers, tunnels and virtual networks: their addresses are not the server's. */
const NOT_OWN = /^(lo|docker|br-|cni|veth|virbr|lxc|lxd|flannel|cali|cilium|slipway|kube|tun|tap|podman)/;

export async function discover(host: Host, reachedAt: string, signal: AbortSignal): Promise<Discovery> {
  return parseDiscovery(await runScript(host, 'looking around', SCRIPT, { signal }), reachedAt);
}

/** `reachedAt` is the address that SSH goes to: where the server has it, it is the likeliest. */
export function parseDiscovery(text: string, reachedAt: string): Discovery {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const rows = (word: string): string[][] => lines.filter(([first]) => first === word);
  const one = (word: string): string => rows(word)[0]?.[1] ?? '';
  const outward = one('default');
  const addresses = rows('address')
    .map(([, name = '', cidr = '', secondary]) => {
      const [address = '', prefix = ''] = cidr.split('/');
      return { interface: name, address, floating: secondary === 'secondary' || prefix === '32' };
    })
    // An address that moves between servers has a /32 or stands second on its interface.
    .filter((each) => !NOT_OWN.test(each.interface) && (!each.floating || each.address === reachedAt))
    .map(({ address, interface: name }) => ({ address, interface: name }));
  const rank = (each: { address: string; interface: string }): number =>
    each.address === reachedAt ? 0 : each.interface === outward ? 1 : 2;
  return {
    hostname: one('hostname').split('.')[0]?.toLowerCase() ?? '',
    os: one('os'),
    cpus: Number(one('cpus')),
    memoryMib: Number(one('memory')),
    disks: rows('disk').map(([, disk = '']) => disk),
    addresses: addresses.toSorted((a, b) => rank(a) - rank(b)),
    networks: rows('route').map(([, network = '']) => network),
  };
}

/** 'Debian 12, 2 processors, 4096 MiB, sda 40G' */
export const describeDiscovery = ({ os, cpus, memoryMib, disks }: Discovery): string =>
  [os, `${cpus} ${cpus === 1 ? 'processor' : 'processors'}`, `${memoryMib} MiB`, ...disks]
    .filter((part) => part !== '')
    .join(', ');
