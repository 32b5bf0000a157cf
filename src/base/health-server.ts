import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface HealthServerOptions {
  /** Where to listen; port 0 takes a free one. */
  address: string;
  port: number;
  /** Why the component is not healthy, as a sentence; undefined where it is. */
  problem: () => string | undefined;
  /** Text of /metrics in Prometheus' format; 404 where absent. */
  metrics?: () => string | Promise<string>;
}

/** /healthz, /livez, /readyz and /metrics of a component, on loopback unless told otherwise. */
export async function startHealthServer(
  options: HealthServerOptions,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0];
    const answer = (code: number, text: string) => {
      response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8' });
      response.end(text);
    };
    if (path === '/healthz' || path === '/livez' || path === '/readyz') {
      const problem = options.problem();
      answer(problem === undefined ? 200 : 503, problem ?? 'ok');
    } else if (path === '/metrics' && options.metrics) {
      Promise.resolve(options.metrics()).then(
        (text) => answer(200, text),
        () => answer(500, 'metrics failed'),
      );
    } else {
      answer(404, 'not found');
    }
  });
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { address, port }: HealthServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
}

/** '127.0.0.1:10249' or '[::1]:10249' as --metrics-bind-address has it; undefined where the text is no address. */
export function parseBindAddress(text: string): { address: string; port: number } | undefined {
  const [, address, port] = /^\[?([0-9a-fA-F.:]+?)\]?:(\d{1,5})$/.exec(text) ?? [];
  if (address === undefined || port === undefined || Number(port) > 65_535) return undefined;
  return { address, port: Number(port) };
}
