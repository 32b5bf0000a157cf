import { Client, credentials, status, type ServiceError } from '@grpc/grpc-js';
import type { Clock } from '../../base/clock.ts';
import { urlHost } from './http-get.ts';

const METHOD = '/grpc.health.v1.Health/Check';
const STATUS_NAMES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** HealthCheckRequest: one string in field 1. Service names are far shorter than 16 KiB. */
function encodeRequest(service: string): Buffer {
  const name = Buffer.from(service, 'utf8');
  if (name.length === 0) return Buffer.alloc(0);
  const length = name.length < 128 ? [name.length] : [(name.length & 0x7f) | 0x80, name.length >> 7];
  return Buffer.concat([Buffer.from([0x0a, ...length]), name]);
}

/** HealthCheckResponse: an enum in field 1. */
function decodeResponse(body: Buffer): number {
  return body[0] === 0x08 ? (body[1] ?? 0) : 0;
}

/** Asks the standard health service. Mirrors pkg/probe/grpc/grpc.go. */
export function checkHealth(
  host: string,
  port: number,
  service: string,
  timeoutSeconds: number,
  clock: Clock,
): Promise<{ outcome: 'Success' | 'Failure'; output: string }> {
  const address = `${urlHost(host)}:${port}`;
  const client = new Client(address, credentials.createInsecure(), {
    'grpc.primary_user_agent': 'kube-probe/1.36',
  });
  const deadline = clock.now() + timeoutSeconds * 1000;
  return new Promise((resolve) => {
    const done = (error: ServiceError | null, answer?: number) => {
      client.close();
      if (error) resolve({ outcome: 'Failure', output: explain(error, address, timeoutSeconds) });
      else if (answer === 1) resolve({ outcome: 'Success', output: 'service healthy' });
      else {
        const name = STATUS_NAMES[answer ?? 0] ?? String(answer);
        resolve({ outcome: 'Failure', output: `service unhealthy (responded with "${name}")` });
      }
    };
    client.makeUnaryRequest(METHOD, encodeRequest, decodeResponse, service, { deadline }, done);
  });
}

function explain(error: ServiceError, address: string, timeoutSeconds: number): string {
  switch (error.code) {
    case status.UNIMPLEMENTED:
      return `error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ${error.details}`;
    case status.DEADLINE_EXCEEDED:
      return `timeout: failed to connect service "${address}" within ${timeoutSeconds}s: context deadline exceeded`;
    case status.UNAVAILABLE:
      return `error: failed to connect service at "${address}": ${error.details}`;
    default:
      return `error: health rpc probe failed: ${error.details}`;
  }
}
