import { connect } from 'node:net';
import type { Container, Pod, Probe } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { expandStatic } from '../containers/commands.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import type { PodEvents } from '../events.ts';
import { checkHealth } from './grpc-health.ts';
import { httpGet, resolvePort, urlHost } from './http-get.ts';
import type { ProbeKind } from './probe-worker.ts';

export type ProbeOutcome = 'Success' | 'Failure';

interface Verdict {
  outcome: ProbeOutcome;
  output: string;
}

/** A probe that cannot be run is tried again at once, as upstream's maxProbeRetries. */
const TRIES = 3;

/** Runs single probes and records their failures. Mirrors pkg/kubelet/prober/prober.go. */
export class ProbeRunner {
  readonly #runtime: CriRuntime;
  readonly #events: PodEvents;
  readonly #clock: Clock;
  readonly #log: Logger;

  constructor(options: { runtime: CriRuntime; events: PodEvents; clock: Clock; log: Logger }) {
    this.#runtime = options.runtime;
    this.#events = options.events;
    this.#clock = options.clock;
    this.#log = options.log;
  }

  async run(
    kind: ProbeKind,
    pod: Pod,
    container: Container,
    spec: Probe,
    containerId: string,
    podIp: string,
  ): Promise<ProbeOutcome | undefined> {
    let failure: unknown;
    for (let tries = 0; tries < TRIES; tries += 1) {
      try {
        const { outcome, output } = await this.#once(container, spec, containerId, podIp);
        if (outcome === 'Failure') {
          const message = `${kind} probe failed: ${output}`;
          this.#events.event(pod, 'Warning', 'Unhealthy', message, container.name);
        }
        return outcome;
      } catch (error) {
        failure = error;
      }
    }
    const message = `${kind} probe errored and resulted in unknown state: ${messageOf(failure)}`;
    this.#events.event(pod, 'Warning', 'Unhealthy', message, container.name);
    this.#log.debug({ container: container.name, error: messageOf(failure) }, 'probe could not be run');
    return undefined;
  }

  async #once(container: Container, spec: Probe, containerId: string, podIp: string): Promise<Verdict> {
    const seconds = spec.timeoutSeconds ?? 1;
    if (spec.exec) {
      return this.#exec(expandStatic(spec.exec.command ?? [], container), containerId, seconds);
    }
    const limit = new AbortController();
    const timer = this.#clock.after(seconds * 1000, () => limit.abort());
    try {
      if (spec.httpGet) return await probeHttp(container, spec, podIp, limit.signal);
      if (spec.tcpSocket) {
        const port = resolvePort(spec.tcpSocket.port, container);
        return await probeTcp(spec.tcpSocket.host || podIp, port, limit.signal);
      }
      if (spec.grpc) {
        return await checkHealth(podIp, spec.grpc.port, spec.grpc.service ?? '', seconds, this.#clock);
      }
    } finally {
      timer.cancel();
    }
    throw new Error(`missing probe handler for ${container.name}`);
  }

  async #exec(command: string[], containerId: string, seconds: number): Promise<Verdict> {
    try {
      const result = await this.#runtime.execSync(containerId, command, seconds);
      const output = Buffer.concat([result.stdout, result.stderr])
        .subarray(0, 10 * 1024)
        .toString('utf8');
      return { outcome: result.exitCode === 0 ? 'Success' : 'Failure', output };
    } catch (error) {
      if (!isRuntimeError(error, 'DeadlineExceeded')) throw error;
      return {
        outcome: 'Failure',
        output: `command timed out: "${command.join(' ')}" timed out after ${seconds}s`,
      };
    }
  }
}

async function probeHttp(
  container: Container,
  spec: Probe,
  podIp: string,
  signal: AbortSignal,
): Promise<Verdict> {
  const action = spec.httpGet;
  if (!action) throw new Error('no httpGet');
  const port = resolvePort(action.port, container);
  const host = urlHost(action.host || podIp);
  const path = action.path ?? '/';
  const scheme = action.scheme ?? 'HTTP';
  const url = `${scheme.toLowerCase()}://${host}:${port}${path.startsWith('/') ? '' : '/'}${path}`;
  try {
    const headers = action.httpHeaders ?? [];
    const answer = await httpGet({ scheme, host, port, path, headers, userAgent: 'kube-probe/1.36', signal });
    if (answer.status >= 200 && answer.status < 400) return { outcome: 'Success', output: answer.body };
    return { outcome: 'Failure', output: `HTTP probe failed with statuscode: ${answer.status}` };
  } catch (error) {
    const why = signal.aborted
      ? 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
      : goNetworkError(error, host, port);
    return { outcome: 'Failure', output: `Get "${url}": ${why}` };
  }
}

function probeTcp(host: string, port: number, signal: AbortSignal): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, signal });
    const fail = (output: string) => resolve({ outcome: 'Failure', output });
    socket.once('connect', () => {
      resolve({ outcome: 'Success', output: '' });
      socket.destroy();
    });
    socket.once('error', (error) => {
      fail(
        signal.aborted ? `dial tcp ${urlHost(host)}:${port}: i/o timeout` : goNetworkError(error, host, port),
      );
    });
  });
}

/** The words people search for: 'dial tcp 10.0.0.1:80: connect: connection refused'. */
function goNetworkError(error: unknown, host: string, port: number): string {
  const code = (error as { code?: string }).code ?? '';
  const words: Record<string, string> = {
    ECONNREFUSED: 'connect: connection refused',
    EHOSTUNREACH: 'connect: no route to host',
    ENETUNREACH: 'connect: network is unreachable',
    ETIMEDOUT: 'i/o timeout',
  };
  const known = words[code];
  if (known) return `dial tcp ${urlHost(host)}:${port}: ${known}`;
  return code === 'ECONNRESET' ? `read tcp: connection reset by peer` : messageOf(error);
}
