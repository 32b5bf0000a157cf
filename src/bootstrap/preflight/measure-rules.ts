import type { Cluster, Node } from '../cluster.ts';
import type { Finding } from './finding.ts';
import type { Measurements } from './measure-all.ts';
import type { DiskResult, TargetResult, UdpResult } from './probe/protocol.ts';

/** etcd's own advice for the time that a synchronous write takes. */
const SLOW_WRITE_MS = 10;
/** An election begins after a second without a sign of life: a disk this slow breaks every leader. */
const BROKEN_WRITE_MS = 1000;
/** etcd beats every 100 ms; half of that is lost on the way here. */
const FAR_APART_MS = 50;
const CLOCKS_APART_MS = 500;
const CLOCKS_TOO_FAR_APART_MS = 30_000;
const LOSSY = 0.01;
const VERY_LOSSY = 0.2;
const USUAL_MTU = 1500;

/** What the measurements say about the ways between servers and about their disks. */
export function checkMeasurements(cluster: Cluster, { results, failed }: Measurements): Finding[] {
  const findings: Finding[] = [...failed].map(([node, why]) => ({
    severity: 'should',
    check: 'measure',
    node: node.name,
    message: `could not be measured: ${why}`,
    remedy: 'a tmpfs under /run with room for the executable is needed; then run "slipway preflight" again',
  }));
  for (const [node, { targets, disk }] of results) {
    for (const target of targets) findings.push(...checkWay(node, target, cluster));
    if (disk) findings.push({ ...checkDisk(disk), node: node.name });
  }
  return findings;
}

const PORT_USE: Record<number, string> = { 2379: 'etcd', 2380: 'etcd’s peers', 10250: 'the kubelet' };

function checkWay(node: Node, { name, tcp, udp }: TargetResult, cluster: Cluster): Finding[] {
  const about = { node: node.name, peer: name };
  const blocked = tcp.filter(({ verdict }) => verdict !== 'open');
  const findings = blocked.map(({ port, verdict }): Finding => {
    const use = port === cluster.inventory.api.port ? 'the API server' : (PORT_USE[port] ?? 'the cluster');
    const how = {
      refused: 'is rejected',
      silent: 'gets no answer',
      unreachable: 'finds no way',
      open: '',
    }[verdict];
    return {
      severity: 'must',
      check: 'reach',
      ...about,
      message: `TCP to port ${port} (${use}) ${how}`,
      remedy: `let ${node.name} (${node.address}) reach port ${port} of ${name}: look at the firewalls of both, and between them`,
    };
  });
  if (udp) findings.push(...checkUdp(udp).map((finding) => ({ ...finding, ...about })));
  if (findings.length > 0) return findings;
  const ports = tcp.map(({ port }) => port).join(', ');
  const way = [ports && `TCP ${ports} open`, udp && describeUdp(udp)].filter(Boolean).join(', ');
  return way === '' ? [] : [{ severity: 'fine', check: 'reach', ...about, message: way }];
}

function describeUdp({ sent, received, roundTripMs, pathMtu }: UdpResult): string {
  return `round trip ${ms(roundTripMs?.p50)}, ${received} of ${sent} packets, MTU ${pathMtu ?? '?'}`;
}

function checkUdp(udp: UdpResult): Finding[] {
  const lost = 1 - udp.received / udp.sent;
  if (udp.received === 0) {
    return [
      {
        severity: 'should',
        check: 'udp',
        message: 'no UDP packet gets there',
        remedy: 'pods talk on any port: let all of UDP and TCP pass between the servers of the cluster',
      },
    ];
  }
  const findings: Finding[] = [];
  if (lost > LOSSY) {
    findings.push({
      severity: lost > VERY_LOSSY ? 'must' : 'should',
      check: 'loss',
      message: `${(lost * 100).toFixed(1)} % of packets are lost (${udp.sent - udp.received} of ${udp.sent})`,
      remedy: 'look at cables, switches and the interfaces’ error counters (ip -s link)',
    });
  }
  findings.push(...checkMtu(udp), ...checkTimes(udp));
  return findings;
}

function checkMtu({ pathMtu = USUAL_MTU }: UdpResult): Finding[] {
  if (pathMtu >= USUAL_MTU) return [];
  return [
    {
      severity: 'should',
      check: 'path-mtu',
      message: `packets of more than ${pathMtu} bytes do not get there whole`,
      remedy: `set the MTU of the servers' interfaces to ${pathMtu}, or raise it on the way: pods' large packets would be lost`,
    },
  ];
}

function checkTimes({ roundTripMs, clockOffsetMs = 0 }: UdpResult): Finding[] {
  const findings: Finding[] = [];
  if (roundTripMs && roundTripMs.p50 > FAR_APART_MS) {
    findings.push({
      severity: 'should',
      check: 'round-trip',
      message: `a round trip takes ${ms(roundTripMs.p50)} (${ms(roundTripMs.max)} at most)`,
      remedy: `keep control planes within ${FAR_APART_MS} ms of each other`,
    });
  }
  const apartMs = Math.abs(clockOffsetMs);
  if (apartMs > CLOCKS_APART_MS) {
    findings.push({
      severity: apartMs > CLOCKS_TOO_FAR_APART_MS ? 'must' : 'should',
      check: 'clock-offset',
      message: `the clocks differ by ${ms(apartMs)}`,
      remedy: 'set the clocks by NTP on every server',
    });
  }
  return findings;
}

function checkDisk({ directory, writes, p50Ms, p99Ms }: DiskResult): Finding {
  const message = `a synchronous write to ${directory} takes ${ms(p50Ms)}, 99 of 100 at most ${ms(p99Ms)} (${writes} writes)`;
  if (p99Ms <= SLOW_WRITE_MS) return { severity: 'fine', check: 'disk', message };
  return {
    severity: p99Ms > BROKEN_WRITE_MS ? 'must' : 'should',
    check: 'disk',
    message: `${message}: etcd wants ${SLOW_WRITE_MS} ms at most`,
    remedy: 'give /var/lib/slipway a disk of its own, an SSD with power-loss protection where there is one',
  };
}

const ms = (value: number | undefined): string =>
  value === undefined ? '?' : value < 10 ? `${value.toFixed(1)} ms` : `${Math.round(value)} ms`;
