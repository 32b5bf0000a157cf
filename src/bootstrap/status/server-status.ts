import { parseCertificate } from '../../pki/parse.ts';
import { splitCertificates } from '../../pki/pem.ts';
import { runScript } from '../../provision/host.ts';
import { parseUnit, UNIT_PROBE, type UnitFacts } from '../../provision/units.ts';
import type { Node } from '../cluster.ts';
import { ETCD_INITIAL_FILE, ETCD_MEMBER_DIRECTORY, ETCD_UNIT } from '../components/etcd.ts';
import { PKI_DIRECTORY, STORE_FILE } from '../components/files.ts';
import { KEEPALIVED_UNIT } from '../components/virtual-address.ts';
import { SNAPSHOT_DIRECTORY, SNAPSHOT_SERVICE, snapshotTimeMs } from '../components/snapshots.ts';
import { CURRENT_LINK, isWhole } from '../release.ts';

/** A certificate that a server uses. */
export interface CertificateStatus {
  path: string;
  commonName: string;
  notAfterMs: number;
}

/** What a server says about itself. */
export interface ServerStatus {
  /** The release that is installed: '0.1.0-abc'; undefined where none is. */
  release: string | undefined;
  /** Whether the installed executable is what its release's name says; undefined where none is installed. */
  executable: 'whole' | 'damaged' | undefined;
  /** Our units that should run there and whether each does. */
  units: Array<{ name: string; state: string; restarts: number }>;
  certificates: CertificateStatus[];
  /** How far the server's clock is ahead of this machine's, at least: what the answer's time explains counts as 0. */
  clockOffsetMs: number;
  disks: Array<{ path: string; freeBytes: number; usedPercent: number }>;
  /** Bytes of the embedded store; undefined where there is none. */
  storeBytes: number | undefined;
  /** Whether a member of etcd has served there. */
  etcd: boolean;
  /** Of a control plane that takes them. */
  snapshots: SnapshotStatus | undefined;
}

/** Snapshots of the store on a control plane's own disk. */
export interface SnapshotStatus {
  count: number;
  newest: { name: string; bytes: number; takenMs: number } | undefined;
  /** Whether the last attempt failed. */
  failed: boolean;
}

const EVERYWHERE = ['containerd', 'slipway-kubelet', 'slipway-network', 'slipway-proxy', 'slipway-dns'];
const CONTROL_PLANE = ['slipway-apiserver', 'slipway-controller-manager', 'slipway-scheduler'];
const DISKS = [
  '/',
  '/var/lib',
  '/var/log',
  '/var/lib/slipway',
  '/var/lib/slipway/etcd',
  '/var/lib/slipway/store',
  '/var/lib/containerd',
];

/** The units that a server of this kind has. */
export function expectedUnits(node: Node, etcd: boolean): string[] {
  const { virtualAddress } = node.cluster.inventory.api;
  return [
    ...EVERYWHERE.map((name) => `${name}.service`),
    ...(node.isControlPlane ? CONTROL_PLANE.map((name) => `${name}.service`) : []),
    ...(node.isControlPlane && etcd ? [ETCD_UNIT] : []),
    ...(node.isControlPlane && virtualAddress !== undefined ? [KEEPALIVED_UNIT] : []),
  ];
}

const script = (units: readonly string[], known: string): string => `
${UNIT_PROBE}
executable=$(readlink -f ${CURRENT_LINK}/slipway 2>/dev/null)
if [ -f "$executable" ]; then
  stamp=$(stat -c '%i %s %.9Y %.9Z' "$executable")
  # Hashing takes a good part of a second: a watch does it when the file has changed.
  case '${known}' in "$stamp "*) hash=$(echo '${known}' | awk '{print $NF}') ;; *) hash=$(sha256sum "$executable" | cut -d ' ' -f 1) ;; esac
  printf 'executable\\t%s\\t%s\\n' "$stamp $hash" "$hash"
fi
printf 'release\\t%s\\n' "$(readlink ${CURRENT_LINK} 2>/dev/null)"
printf 'now\\t%s\\n' "$(date +%s%3N)"
for name in ${units.join(' ')}; do unit "$name"; done
for path in ${DISKS.join(' ')}; do
  df -Pk "$path" 2>/dev/null | awk -v path="$path" 'NR == 2 {sub("%", "", $5); print "disk\\t" path "\\t" $4 "\\t" $5 "\\t" $6}'
done
[ -f ${STORE_FILE} ] && printf 'store\\t%s\\n' "$(stat -c %s ${STORE_FILE}* | awk '{sum += $1} END {print sum}')"
[ -d ${ETCD_MEMBER_DIRECTORY} ] && [ ! -e ${ETCD_INITIAL_FILE} ] && echo etcd
if [ -d ${SNAPSHOT_DIRECTORY} ]; then
  printf 'snapshots\\t%s\\n' "$(systemctl is-failed ${SNAPSHOT_SERVICE} 2>/dev/null)"
  find ${SNAPSHOT_DIRECTORY} -maxdepth 1 -name '*.snapshot' -printf 'snapshot\\t%f\\t%s\\n' | sort
fi
# Certificates alone: a kubelet's file holds its key, too.
for path in $(find ${PKI_DIRECTORY} -name '*.crt' 2>/dev/null) /var/lib/kubelet/pki/kubelet-client-current.pem /var/lib/kubelet/pki/kubelet-server-current.pem; do
  [ -r "$path" ] || continue
  printf 'certificate\\t%s\\t' "$path"
  awk '/BEGIN CERT/ {on = 1} on {printf "%s|", $0} /END CERT/ {on = 0}' "$path"
  echo
done
true
`;

/**
 * Asks a server in one round trip; changes nothing. `hashed` keeps from look to look which file the last one hashed,
 * by the name of the server.
 */
export async function askServer(
  node: Node,
  timeoutMs: number,
  hashed: Map<string, string> = new Map(),
): Promise<ServerStatus> {
  const { clock, signal } = node.cluster;
  const names = expectedUnits(node, true);
  const startedMs = clock.now();
  const text = await runScript(
    node.host,
    'asking for its status',
    script(names, hashed.get(node.name) ?? ''),
    {
      signal,
      timeoutMs,
    },
  );
  const stamp = /^executable\t(.*)\t/m.exec(text)?.[1];
  if (stamp !== undefined) hashed.set(node.name, stamp);
  return parseServerStatus(text, node, [startedMs, clock.now()]);
}

/** The server read its clock between these two times of this machine's. */
function parseServerStatus(text: string, node: Node, [fromMs, toMs]: [number, number]): ServerStatus {
  const lines = text.split('\n').map((line) => line.split('\t'));
  const rows = (word: string): string[][] => lines.filter(([first]) => first === word);
  const one = (word: string): string | undefined => rows(word)[0]?.[1];
  const etcd = rows('etcd').length > 0;
  const found = new Map<string, UnitFacts>(
    rows('unit').map(([, name = '', values = '', config = '']) => [name, parseUnit(values, config)]),
  );
  const stored = one('store');
  const serverMs = Number(one('now') ?? fromMs);
  const hash = rows('executable')[0]?.[2];
  const release =
    one('release')
      ?.split('/')
      .findLast((part) => part !== '' && part !== 'slipway') || undefined;
  return {
    release,
    executable:
      hash === undefined || release === undefined ? undefined : isWhole(release, hash) ? 'whole' : 'damaged',
    units: expectedUnits(node, etcd || node.cluster.controlPlanes.length > 1).map((name) => {
      const unit = found.get(name);
      const state = unit === undefined || unit.loadState === 'not-found' ? 'missing' : unit.activeState;
      return { name: name.replace(/\.service$/, ''), state, restarts: unit?.restarts ?? 0 };
    }),
    certificates: rows('certificate').flatMap(([, path = '', pem = '']) => readCertificates(path, pem)),
    clockOffsetMs: serverMs - Math.min(Math.max(serverMs, fromMs), toMs),
    disks: rows('disk').flatMap(([, path = '', kib = '', used = '', mount = ''], index, all) =>
      all.slice(0, index).some((other) => other[4] === mount)
        ? []
        : [{ path, freeBytes: Number(kib) * 1024, usedPercent: Number(used) }],
    ),
    storeBytes: stored === undefined ? undefined : Number(stored),
    etcd,
    snapshots:
      rows('snapshots').length > 0 ? snapshotsOf(rows('snapshot'), one('snapshots') === 'failed') : undefined,
  };
}

function snapshotsOf(rows: readonly string[][], failed: boolean): SnapshotStatus {
  const [, name = '', bytes = ''] = rows.at(-1) ?? [];
  const newest = name === '' ? undefined : { name, bytes: Number(bytes), takenMs: snapshotTimeMs(name) };
  return { count: rows.length, newest, failed };
}

function readCertificates(path: string, lines: string): CertificateStatus[] {
  return splitCertificates(lines.replaceAll('|', '\n')).flatMap((pem) => {
    // One that is damaged differs from what was written: that is told of by itself.
    try {
      const { subject, notAfterMs } = parseCertificate(pem);
      return [{ path, commonName: subject.commonName, notAfterMs }];
    } catch {
      return [];
    }
  });
}
