import { randomInt, randomUUID } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import type { Timer } from '../base/clock.ts';
import { systemClock } from '../base/clock.ts';
import { untilAborted } from '../base/lifecycle.ts';
import { silentLogger } from '../base/log.ts';
import { ApiHandler } from './api-handler.ts';
import type { ApiServerHandle, ApiServerOptions } from './api-server-options.ts';
import { Background } from './background.ts';
import { ControlPlane } from './control-plane.ts';
import { TlsServer } from './http/http-server.ts';
import { DEFAULT_LIMITS } from './http/limits.ts';
import { readTlsFiles, watchTlsFiles } from './http/tls-files.ts';
import type { TlsFiles, TlsMaterial } from './http/tls-files.ts';
import type { Random } from './registry/registry-env.ts';

const TLS_RELOAD_MS = 60_000;
/** How long requests that are under way may take to finish when the server stops. */
const DRAIN_MS = 15_000;

const systemRandom: Random = { uuid: () => randomUUID(), below: (limit) => randomInt(limit) };

/** Runs an API server until the signal aborts; once the cluster has removed the server it only waits for that. */
export async function runApiServer(options: ApiServerOptions, signal: AbortSignal): Promise<void> {
  const server = await startApiServer(options);
  await untilAborted(AbortSignal.any([signal, server.removed]));
  await server.close();
  if (signal.aborted) return;
  // It does not end by itself: it would be started again and again.
  options.log?.error(
    { hint: 'slipway reset --node NAME; then it may join again' },
    'this server was removed from the cluster: it serves nothing any more',
  );
  await untilAborted(signal);
}

/**
 * Starts an API server: fills its cache from the store, listens, and makes what every cluster has
 * (namespaces, roles, the Service `kubernetes`). Resolves when it is ready to serve.
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServerHandle> {
  const clock = options.clock ?? systemClock;
  const log = options.log ?? silentLogger;
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const files = isFiles(options.tls) ? options.tls : undefined;
  let tls: TlsMaterial = files ? await readTlsFiles(files) : (options.tls as TlsMaterial);
  const bindAddress = options.bindAddress ?? '127.0.0.1';
  let port = options.port ?? 6443;
  const controlPlane = await ControlPlane.start({
    ...options,
    clock,
    log,
    limits,
    random: options.random ?? systemRandom,
    clientCa: () => options.clientCaPem ?? tls.clientCa.join('\n'),
    serverAddress: () => `${options.advertiseAddress ?? bindAddress}:${port}`,
  });
  const handler = new ApiHandler(controlPlane.handlerOptions());
  const http = new TlsServer({ tls, limits, log, handler: (exchange) => handler.handle(exchange) });
  try {
    port = (await http.listen(bindAddress, port)).port;
  } catch (error) {
    controlPlane.stop();
    throw error;
  }
  const reload = files
    ? watchTlsFiles({
        files,
        current: tls,
        intervalMs: TLS_RELOAD_MS,
        clock,
        log,
        apply: (material) => {
          http.setTls(material);
          tls = material;
        },
      })
    : undefined;
  const background = new Background(controlPlane, {
    advertiseAddress: options.advertiseAddress ?? defaultAddress(bindAddress),
    port,
    certificate: () => tls.cert,
  });
  try {
    await background.bootstrap();
  } catch (error) {
    http.destroy();
    reload?.cancel();
    controlPlane.stop();
    throw error;
  }
  if (!background.removed.aborted) background.start();
  const host = bindAddress === '0.0.0.0' || bindAddress === '::' ? '127.0.0.1' : bindAddress;
  log.info({ address: bindAddress, port }, 'serving');
  let closing: Promise<void> | undefined;
  return {
    url: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    port,
    removed: background.removed,
    close: () => (closing ??= stop({ handler, http, controlPlane, background, reload, clock })),
  };
}

async function stop(parts: {
  handler: ApiHandler;
  http: TlsServer;
  controlPlane: ControlPlane;
  background: Background;
  reload: Timer | undefined;
  clock: typeof systemClock;
}): Promise<void> {
  const { handler, http, controlPlane, background, reload, clock } = parts;
  reload?.cancel();
  await background.stop();
  handler.beginClose();
  http.drain();
  controlPlane.hub.stop();
  const until = clock.monotonicMs() + DRAIN_MS;
  while (handler.runningCount > 0 && clock.monotonicMs() < until) await clock.sleep(10);
  // Streams that were ended a moment ago flush before their connections go.
  await clock.sleep(20);
  http.destroy();
  await controlPlane.auditor?.close();
  controlPlane.stop();
}

function isFiles(tls: TlsMaterial | TlsFiles): tls is TlsFiles {
  return 'certFile' in tls;
}

/** The address in the Service `kubernetes`: pods cannot reach a loopback. */
function defaultAddress(bindAddress: string): string {
  const isLoopback = bindAddress.startsWith('127.') || bindAddress === '::1' || bindAddress === 'localhost';
  if (!isLoopback && bindAddress !== '0.0.0.0' && bindAddress !== '::') return bindAddress;
  for (const addresses of Object.values(networkInterfaces())) {
    for (const { address, internal, family } of addresses ?? []) {
      if (!internal && family === 'IPv4') return address;
    }
  }
  return bindAddress;
}
