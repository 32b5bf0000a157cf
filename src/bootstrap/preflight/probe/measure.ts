import { connect } from 'node:net';
import { runCommand } from '../../../base/command.ts';
import type { Clock } from '../../../base/clock.ts';
import { codeOf } from '../../../base/errors.ts';
import { measureDisk } from './disk.ts';
import { measureDatagrams } from './measure-datagrams.ts';
import type { MeasureRequest, MeasureResult, MeasureTarget, TargetResult, TcpVerdict } from './protocol.ts';

/** A firewall that drops packets is told from a slow network by this. */
const CONNECT_MS = 3000;

/** Measures the ways from this server to others, all at once, and then its disk. */
export async function measure(request: MeasureRequest, clock: Clock): Promise<MeasureResult> {
  const targets = await Promise.all(
    request.targets.map((target) => measureTarget(target, request.token, clock)),
  );
  if (request.diskDirectory === undefined) return { targets };
  return { targets, disk: measureDisk(request.diskDirectory, clock) };
}

async function measureTarget(target: MeasureTarget, token: string, clock: Clock): Promise<TargetResult> {
  const tcp = await Promise.all(
    target.tcpPorts.map(async (port) => ({ port, verdict: await tryPort(target.address, port, clock) })),
  );
  if (target.udpPort === undefined) return { name: target.name, tcp };
  const udp = await measureDatagrams(
    { address: target.address, port: target.udpPort, mtu: target.mtu, token },
    { clock, routeMtu },
  );
  return { name: target.name, tcp, udp };
}

function tryPort(address: string, port: number, clock: Clock): Promise<TcpVerdict> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port });
    const timer = clock.after(CONNECT_MS, () => done('silent'));
    const done = (verdict: TcpVerdict): void => {
      timer.cancel();
      socket.destroy();
      resolve(verdict);
    };
    socket.on('connect', () => done('open'));
    socket.on('error', (error) => done(verdictOf(codeOf(error))));
  });
}

function verdictOf(code: string | undefined): TcpVerdict {
  if (code === 'ECONNREFUSED' || code === 'ECONNRESET') return 'refused';
  return code === 'ETIMEDOUT' ? 'silent' : 'unreachable';
}

/** The path MTU that the kernel has learned from routers; undefined where it knows no other than the interface's. */
async function routeMtu(address: string): Promise<number | undefined> {
  const text = await runCommand('ip', ['-o', 'route', 'get', address]).catch(() => '');
  const found = / mtu (\d+)/.exec(text)?.[1];
  return found === undefined ? undefined : Number(found);
}
