/**
 * The other end of the API benchmarks, a process of its own so that its work is not the server's. Its orders
 * are one JSON object on standard input; what it measured is one on standard output.
 */
import { connect, type ClientHttp2Session, type IncomingHttpHeaders } from 'node:http2';
import { text } from 'node:stream/consumers';
import { closedLoop, type Latencies } from './measure.ts';

export interface Connection {
  url: string;
  ca: string;
  cert: string;
  key: string;
  /** Connections that requests are spread over. */
  sessions: number;
}

export type Order = Connection &
  (
    | {
        do: 'requests';
        method: string;
        /** '{i}' stands for the number of the request modulo `keys`, '{n}' for the number itself. */
        path: string;
        body?: string;
        contentType?: string;
        accept?: string;
        clients: number;
        count: number;
        keys: number;
        /** Requests before those that are counted. Default: a tenth of `count`. */
        warmUp?: number;
      }
    /** Watches until each of `watchers` streams has had `events` events. Says 'watching' once all are open. */
    | { do: 'watch'; path: string; watchers: number; events: number }
  );

export type Report = Latencies & { bytes: number };

const order = JSON.parse(await text(process.stdin)) as Order;
const sessions = Array.from({ length: order.sessions }, () =>
  connect(order.url, { ca: order.ca, cert: order.cert, key: order.key }),
);
const report = order.do === 'requests' ? await requests(order) : await watches(order);
process.stdout.write(`${JSON.stringify(report)}\n`);
for (const session of sessions) session.destroy();

async function requests(order: Extract<Order, { do: 'requests' }>): Promise<Report> {
  let bytes = 0;
  const latencies = await closedLoop({ ...order, warmUp: order.warmUp }, async (n) => {
    const fill = (template: string): string =>
      template.replaceAll('{i}', String(n % order.keys)).replaceAll('{n}', String(n));
    const headers = {
      ':method': order.method,
      ':path': fill(order.path),
      accept: order.accept ?? 'application/json',
      ...(order.contentType ? { 'content-type': order.contentType } : {}),
    };
    const received = await request(sessions[n % sessions.length]!, headers, order.body && fill(order.body));
    bytes += received;
  });
  return { ...latencies, bytes };
}

function request(
  session: ClientHttp2Session,
  headers: Record<string, string>,
  body?: string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined });
    let bytes = 0;
    let status: number | undefined;
    let start = '';
    stream.on(
      'response',
      (answer: IncomingHttpHeaders & { ':status'?: number }) => (status = answer[':status']),
    );
    stream.on('data', (chunk: Buffer) => {
      if (bytes === 0) start = chunk.toString('utf8', 0, 300);
      bytes += chunk.length;
    });
    stream.on('error', reject);
    stream.on('end', () => {
      if (status !== undefined && status < 300) resolve(bytes);
      else reject(new Error(`${headers[':method']} ${headers[':path']}: ${status} ${start}`));
    });
    if (body !== undefined) stream.end(body);
  });
}

async function watches(order: Extract<Order, { do: 'watch' }>): Promise<Report> {
  let bytes = 0;
  let opened = 0;
  let finished = 0;
  await new Promise<void>((resolve, reject) => {
    for (let i = 0; i < order.watchers; i++) {
      const stream = sessions[i % sessions.length]!.request({
        ':path': order.path,
        accept: 'application/json',
      });
      let events = 0;
      stream.on('response', ({ ':status': status }) => {
        if (status !== 200) reject(new Error(`watch answered ${status}`));
        if (++opened === order.watchers) process.stdout.write('watching\n');
      });
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        for (let at = chunk.indexOf(10); at >= 0; at = chunk.indexOf(10, at + 1)) events++;
        if (events >= order.events) {
          stream.removeAllListeners('data');
          stream.resume();
          if (++finished === order.watchers) resolve();
        }
      });
      stream.on('error', () => {});
    }
  });
  return { perSecond: 0, p50Ms: 0, p99Ms: 0, maxMs: 0, bytes };
}
