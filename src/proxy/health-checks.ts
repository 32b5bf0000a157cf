import { createServer, type Server } from 'node:http';
import { messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';

/** What a load balancer asks of a node: does it have endpoints of the Service? */
export interface HealthCheck {
  namespace: string;
  name: string;
  localEndpoints: number;
}

/**
 * Answers on the healthCheckNodePort of Services of external policy Local: 200 where the node has ready
 * endpoints, 503 where it has none. Mirrors pkg/proxy/healthcheck/service_health.go.
 */
export class HealthChecks {
  readonly #servers = new Map<number, Server>();
  #checks: ReadonlyMap<number, HealthCheck> = new Map();
  readonly #log: Logger;

  constructor(log: Logger) {
    this.#log = log;
  }

  /** Opens and closes ports until they are those of `checks`. */
  sync(checks: ReadonlyMap<number, HealthCheck>): void {
    this.#checks = checks;
    for (const [port, server] of this.#servers) {
      if (checks.has(port)) continue;
      this.#servers.delete(port);
      server.close();
      server.closeAllConnections();
    }
    for (const port of checks.keys()) if (!this.#servers.has(port)) this.#open(port);
  }

  close(): void {
    this.sync(new Map());
  }

  #open(port: number): void {
    const server = createServer((_request, response) => {
      const check = this.#checks.get(port);
      const { namespace = '', name = '', localEndpoints = 0 } = check ?? {};
      response.writeHead(localEndpoints > 0 ? 200 : 503, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify({ service: { namespace, name }, localEndpoints, serviceProxyHealthy: true }),
      );
    });
    this.#servers.set(port, server);
    server.on('error', (error) => {
      // Tried again at the next sync: another process may hold the port.
      this.#log.warn({ port, err: messageOf(error) }, 'the health check port of a Service cannot be opened');
      this.#servers.delete(port);
    });
    server.listen(port);
    server.unref();
  }
}
