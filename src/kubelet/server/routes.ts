import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer, type WebSocket } from 'ws';
import type { Pod, PodStatus } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { CriRuntime, StreamChoice } from '../cri/runtime.ts';
import { findContainer, nameOf, namespaceOf, uidOf } from '../pods/pod-spec.ts';
import { negotiate, REMOTE_COMMAND_PROTOCOLS } from './channels.ts';
import { HttpError } from './http-error.ts';
import { logContainerId, logOptionsOf, sendLog } from './log-handler.ts';
import { bridgePortForward, PORT_FORWARD_PROTOCOLS } from './port-forward.ts';
import { proxyUpgrade } from './raw-proxy.ts';
import { bridgeRemoteCommand } from './remote-command.ts';

export interface RoutesOptions {
  runtime: CriRuntime;
  /** Pods of this node, static ones under their mirror's name. */
  pods: () => Pod[];
  /** The newest status of a pod, or the API's. */
  status: (pod: Pod) => PodStatus;
  healthy: () => string | undefined;
  metrics: () => Promise<string>;
  summary: () => Promise<object>;
  clock: Clock;
  log: Logger;
}

/** '/containerLogs/ns/pod/container', '/exec/ns/pod/container', '/exec/ns/pod/uid/container' … */
interface Target {
  pod: Pod;
  container: string;
}

/** What the kubelet's server answers. Mirrors pkg/kubelet/server/server.go. */
export class KubeletRoutes {
  readonly #options: RoutesOptions;
  readonly #webSockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });

  readonly #chosen = new WeakMap<IncomingMessage, string>();

  constructor(options: RoutesOptions) {
    this.#options = options;
    this.#webSockets.on('headers', (headers, request) => {
      const protocol = this.#chosen.get(request);
      if (protocol !== undefined) headers.push(`Sec-WebSocket-Protocol: ${protocol}`);
    });
  }

  async serve(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    signal: AbortSignal,
  ): Promise<void> {
    const [, first = '', ...rest] = url.pathname.split('/').map(decodeURIComponent);
    switch (first) {
      case 'healthz': {
        const problem = this.#options.healthy();
        send(response, problem === undefined ? 200 : 500, problem ?? 'ok', 'text/plain; charset=utf-8');
        return;
      }
      case 'metrics':
        send(response, 200, await this.#options.metrics(), 'text/plain; version=0.0.4; charset=utf-8');
        return;
      case 'pods':
        sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: this.#pods() });
        return;
      case 'runningpods':
        sendJson(response, { kind: 'PodList', apiVersion: 'v1', metadata: {}, items: await this.#running() });
        return;
      case 'stats':
        if (rest[0] !== 'summary') throw new HttpError(404, '404 page not found');
        sendJson(response, await this.#options.summary());
        return;
      case 'containerLogs':
        await this.#logs(response, rest, url.searchParams, signal);
        return;
      case 'exec':
      case 'attach':
      case 'portForward':
        throw new HttpError(400, `unable to upgrade: missing upgrade headers in request: ${request.method}`);
      default:
        throw new HttpError(404, '404 page not found');
    }
  }

  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer, url: URL): Promise<void> {
    const [, first = '', ...rest] = url.pathname.split('/').map(decodeURIComponent);
    if (first === 'portForward') return this.#portForward(request, socket, head, rest, url.searchParams);
    if (first !== 'exec' && first !== 'attach') throw new HttpError(404, '404 page not found');
    const { pod, container } = this.#target(rest);
    const id = await this.#runningContainer(pod, container);
    const streams = streamsOf(url.searchParams);
    const command = url.searchParams.getAll('command');
    if (first === 'exec' && command.length === 0) {
      throw new HttpError(400, 'you must specify at least 1 command for exec');
    }
    const { runtime, log } = this.#options;
    const target =
      first === 'exec' ? await runtime.exec(id, command, streams) : await runtime.attach(id, streams);
    if (isSpdy(request)) {
      proxyUpgrade(request, socket, head, target, log);
      return;
    }
    const accepted = await this.#accept(request, socket, head, REMOTE_COMMAND_PROTOCOLS);
    await bridgeRemoteCommand(accepted.socket, accepted.protocol, target, streams, log);
  }

  async #portForward(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    path: string[],
    query: URLSearchParams,
  ): Promise<void> {
    const { runtime, log } = this.#options;
    const pod = this.#pod(path[0] ?? '', path[1] ?? '', path[2]);
    const ports = query.getAll('port').concat(query.getAll('ports')).flatMap(portsIn);
    const sandboxes = await runtime.listPodSandbox({ podUid: uidOf(pod) });
    const sandbox = sandboxes.find(({ ready }) => ready);
    if (!sandbox) throw new HttpError(404, `failed to find sandbox of pod "${nameOf(pod)}"`);
    const target = await runtime.portForward(sandbox.id, ports);
    if (isSpdy(request)) {
      proxyUpgrade(request, socket, head, target, log);
      return;
    }
    const accepted = await this.#accept(request, socket, head, PORT_FORWARD_PROTOCOLS);
    if (ports.length === 0 && !accepted.protocol.startsWith('SPDY')) {
      accepted.socket.close(1008, 'query parameter "ports" is required');
      return;
    }
    await bridgePortForward(accepted.socket, accepted.protocol, target, ports, log);
  }

  async #accept(
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
    known: readonly string[],
  ): Promise<{ socket: WebSocket; protocol: string }> {
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') {
      throw new HttpError(400, 'unable to upgrade: only SPDY/3.1 and websocket are spoken here');
    }
    const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
    const protocol = negotiate(offered, known);
    if (protocol === undefined) {
      throw new HttpError(403, `unable to upgrade: no protocol of ${offered.join(', ')} is spoken here`);
    }
    // 'SPDY/3.1+portforward.k8s.io' is no token by the letter, and ws refuses it: the choice is answered by us.
    delete request.headers['sec-websocket-protocol'];
    this.#chosen.set(request, protocol);
    return new Promise((resolve) => {
      this.#webSockets.handleUpgrade(request, socket, head, (accepted) => {
        resolve({ socket: accepted, protocol });
      });
    });
  }

  async #logs(
    response: ServerResponse,
    path: string[],
    query: URLSearchParams,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, runtime, status } = this.#options;
    const [namespace = '', name = '', container = ''] = path;
    const { previous, ...options } = logOptionsOf(query, clock.now());
    const pod = this.#pod(namespace, name);
    if (!findContainer(pod, container)) {
      throw new HttpError(404, `container "${container}" not found in pod "${name}"`);
    }
    const id = logContainerId(name, status(pod), container, previous);
    try {
      await sendLog(response, id, options, { runtime, clock, signal });
    } catch (error) {
      if (!isRuntimeError(error, 'NotFound') || response.headersSent) throw error;
      throw new HttpError(400, `unable to retrieve container logs for containerd://${id}`);
    }
  }

  #pods(): Pod[] {
    return this.#options.pods().map((pod) => ({ ...pod, status: this.#options.status(pod) }));
  }

  async #running(): Promise<object[]> {
    const sandboxes = await this.#options.runtime.listPodSandbox();
    return sandboxes
      .filter(({ ready }) => ready)
      .map(({ metadata }) => ({
        metadata: { name: metadata.name, namespace: metadata.namespace, uid: metadata.uid },
      }));
  }

  #pod(namespace: string, name: string, uid?: string): Pod {
    const found = this.#options
      .pods()
      .find(
        (pod) =>
          nameOf(pod) === name && namespaceOf(pod) === namespace && (uid === undefined || uidOf(pod) === uid),
      );
    if (!found) throw new HttpError(404, `pod "${name}" not found`);
    return found;
  }

  #target(path: string[]): Target {
    const [namespace = '', name = '', third = '', fourth] = path;
    const pod = this.#pod(namespace, name, fourth === undefined ? undefined : third);
    const container = fourth ?? third;
    if (!findContainer(pod, container)) throw new HttpError(404, `container not found ("${container}")`);
    return { pod, container };
  }

  async #runningContainer(pod: Pod, name: string): Promise<string> {
    const containers = await this.#options.runtime.listContainers({ podUid: uidOf(pod) });
    const found = containers
      .filter((container) => container.name === name && container.state === 'Running')
      .sort((a, b) => b.createdAtMs - a.createdAtMs)[0];
    if (!found) throw new HttpError(404, `container not found ("${name}")`);
    return found.id;
  }
}

const isSpdy = (request: IncomingMessage): boolean =>
  request.headers.upgrade?.toLowerCase().startsWith('spdy/') === true;

/** The kubelet's own names (input, output, error) and the API's (stdin, stdout, stderr). */
function streamsOf(query: URLSearchParams): StreamChoice {
  const flag = (...names: string[]) => names.some((name) => /^(1|true)$/i.test(query.get(name) ?? ''));
  const tty = flag('tty');
  const streams = {
    stdin: flag('input', 'stdin'),
    stdout: flag('output', 'stdout'),
    // A terminal has one output.
    stderr: !tty && flag('error', 'stderr'),
    tty,
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new HttpError(400, 'you must specify at least 1 of stdin, stdout, stderr');
  }
  return streams;
}

function portsIn(text: string): number[] {
  return text.split(',').map((part) => {
    const port = Number(part);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new HttpError(400, `invalid port "${part}"`);
    return port;
  });
}

function send(response: ServerResponse, status: number, body: string, type: string): void {
  response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

function sendJson(response: ServerResponse, body: object): void {
  send(response, 200, JSON.stringify(body), 'application/json');
}
