/**
 * A quiet client, or one of many hostile ones: a process of its own, told what to be by one JSON object on standard input.
 * It says 'ready', then on standard output as JSON what it measured or which answers it was given.
 */
import { connect as connectHttp2, type ClientHttp2Session, type OutgoingHttpHeaders } from 'node:http2';
import { text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';

export interface HostileOrder {
  url: string;
  ca: string;
  cert: string;
  key: string;
  /** 'quiet', or the name of an attack. */
  role: string;
  seconds: number;
}

export interface QuietReport {
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** How often each answer came: '413', or what else became of a request. */
export type AttackReport = Record<string, number>;

const order = JSON.parse(await text(process.stdin)) as HostileOrder;
const tls = { ca: order.ca, cert: order.cert, key: order.key };
const MAPS = '/api/v1/namespaces/default/configmaps';
const endMs = performance.now() + order.seconds * 1000;
const answers: AttackReport = {};
const note = (what: string | number | undefined): void => {
  const name = String(what ?? 'no answer');
  answers[name] = (answers[name] ?? 0) + 1;
};
const isOver = (): boolean => performance.now() >= endMs;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function session(): ClientHttp2Session {
  const opened = connectHttp2(order.url, tls);
  opened.on('error', () => {});
  return opened;
}

/** Resolves with the status, whatever becomes of the request. */
function ask(on: ClientHttp2Session, headers: OutgoingHttpHeaders, body?: Buffer): Promise<number | string> {
  return new Promise((resolve) => {
    let status: number | undefined;
    let stream;
    try {
      stream = on.request({ accept: 'application/json', ...headers }, { endStream: body === undefined });
    } catch {
      resolve('connection closed');
      return;
    }
    stream.on('response', (head) => (status = Number(head[':status'])));
    stream.on('error', () => {});
    stream.on('close', () => resolve(status ?? 'cut off'));
    stream.resume();
    if (body !== undefined) stream.end(body);
  });
}

/** Requests one after the other on each of so many connections, until the time is up. */
async function repeat(
  connections: number,
  act: (on: ClientHttp2Session, n: number) => Promise<void>,
): Promise<void> {
  let n = 0;
  const one = async (): Promise<void> => {
    let on = session();
    while (!isOver()) {
      if (on.closed || on.destroyed) {
        note('connection closed');
        on = session();
        await pause(20);
      }
      await act(on, n++);
    }
    on.destroy();
  };
  await Promise.all(Array.from({ length: connections }, one));
}

const post = (contentType = 'application/json'): OutgoingHttpHeaders => ({
  ':method': 'POST',
  ':path': MAPS,
  'content-type': contentType,
});

function repeatBody(connections: number, body: Buffer, contentType?: string): () => Promise<void> {
  return () => repeat(connections, async (on) => note(await ask(on, post(contentType), body)));
}

const MAX_BODY = 3 * 1024 * 1024;
const fill = (head: string, unit: string, tail: string, size = MAX_BODY - 1024): Buffer => {
  const count = Math.floor((size - head.length - tail.length) / unit.length);
  return Buffer.from(head + unit.repeat(count) + tail);
};
const mapHead = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"h"}';

/** Streams far more than is taken, at the pace at which it is taken. */
async function endlessBody(on: ClientHttp2Session): Promise<void> {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  await new Promise<void>((resolve) => {
    let status: number | undefined;
    let stream;
    try {
      stream = on.request(post());
    } catch {
      resolve();
      return;
    }
    const { end } = { end: () => stream.close() };
    let sent = 0;
    const more = (): void => {
      while (!stream.destroyed && sent < 100 * 1024 * 1024 && !isOver()) {
        sent += chunk.length;
        if (!stream.write(chunk)) return void stream.once('drain', more);
      }
      end();
    };
    stream.on('response', (head) => {
      status = Number(head[':status']);
    });
    stream.on('error', () => {});
    stream.on('close', () => {
      note(status ?? 'cut off');
      resolve();
    });
    stream.resume();
    more();
  });
}

function protobufBomb(): Buffer {
  // metadata that claims four gigabytes, within a sound envelope; and a long row of empty annotations.
  const entries = Buffer.alloc(MAX_BODY - 4096);
  for (let at = 0; at + 2 <= entries.length; at += 2) entries.set([0x12, 0x00], at);
  const raw = entries;
  const type = Buffer.from([0x0a, 0x02, 0x76, 0x31, 0x12, 0x09, ...Buffer.from('ConfigMap')]);
  const varint = (value: number): number[] =>
    value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)];
  return Buffer.concat([
    Buffer.from('k8s\0'),
    Buffer.from([0x0a, ...varint(type.length)]),
    type,
    Buffer.from([0x12, ...varint(raw.length)]),
    raw,
  ]);
}

/** Connections that say a little of their headers from time to time. */
async function slowHeaders(count: number): Promise<void> {
  const { port, hostname } = new URL(order.url);
  const sockets = Array.from({ length: count }, () => {
    const socket = connectTls({ host: hostname, port: Number(port), ...tls, ALPNProtocols: ['http/1.1'] });
    socket.on('error', () => {});
    socket.on('close', () => note('cut off'));
    socket.write('GET /readyz HTTP/1.1\r\nHost: x\r\n');
    return socket;
  });
  while (!isOver()) {
    await pause(500);
    for (const socket of sockets) if (!socket.destroyed) socket.write('X-Y: z\r\n');
  }
  for (const socket of sockets) socket.destroy();
}

async function rapidReset(): Promise<void> {
  await repeat(2, async (on) => {
    for (let i = 0; i < 100 && !on.closed && !on.destroyed; i++) {
      try {
        const stream = on.request({ ':path': MAPS });
        stream.on('error', () => {});
        stream.close(8);
        note('reset');
      } catch {
        break;
      }
    }
    // At the server's pace: what it has not seen yet attacks nobody.
    if (!on.destroyed) await new Promise((resolve) => on.ping(resolve) || resolve(undefined));
  });
}

async function requestFlood(path: string): Promise<void> {
  const sessions = Array.from({ length: 4 }, session);
  const one = async (n: number): Promise<void> => {
    while (!isOver()) note(await ask(sessions[n % sessions.length]!, { ':path': path }));
  };
  await Promise.all(Array.from({ length: 400 }, (_, n) => one(n)));
  for (const each of sessions) each.destroy();
}

/** Watches that nobody reads, while objects of 100 KB change. */
async function deafWatchers(count: number): Promise<void> {
  const sessions = Array.from({ length: Math.ceil(count / 50) }, () =>
    connectHttp2(order.url, { ...tls, settings: { initialWindowSize: 1 } }),
  );
  for (const each of sessions) each.on('error', () => {});
  for (let i = 0; i < count; i++) {
    const stream = sessions[i % sessions.length]!.request({ ':path': `${MAPS}?watch=1&resourceVersion=0` });
    stream.on('error', () => {});
    stream.on('close', () => note('cut off'));
    stream.on('response', () => note('watching'));
  }
  const writer = session();
  const value = 'x'.repeat(100_000);
  for (let n = 0; !isOver(); n++) {
    const body = Buffer.from(JSON.stringify({ data: { value, n: String(n) } }));
    const headers = {
      ':method': 'PATCH',
      ':path': `${MAPS}/large`,
      'content-type': 'application/merge-patch+json',
    };
    note(`write ${await ask(writer, headers, body)}`);
    await pause(5);
  }
  for (const each of [...sessions, writer]) each.destroy();
}

const longPatch = Buffer.from(
  JSON.stringify(
    Array.from({ length: 10_000 }, (_, n) => ({ op: 'add', path: `/data/k${n}`, value: 'x'.repeat(40) })),
  ),
);
const yamlBomb = Buffer.from(
  `${['a: &a [x, x, x, x, x, x, x, x, x]']
    .concat(
      'bcdefghij'
        .split('')
        .map((name, n) => `${name}: &${name} [${Array(9).fill(`*${'abcdefghi'[n]}`).join(', ')}]`),
    )
    .join('\n')}\n`,
);

/** How others behave badly, by name. */
const ATTACKS: Readonly<Record<string, () => Promise<void>>> = {
  'bodies of 100 MB, 16 at once': () => repeat(16, endlessBody),
  'JSON of 3 MB, 8 at once': repeatBody(8, fill(`${mapHead},"data":{`, '"k":"vvvvvvvvvv",', '"l":""}}')),
  'JSON of 3 MB of numbers beyond 2^53': repeatBody(8, fill(`${mapHead},"x":[`, '9007199254740993,', '1]}')),
  'JSON nested a million deep': repeatBody(8, fill('', '[', '')),
  'YAML of 3 MB, 8 at once': repeatBody(
    8,
    fill('kind: ConfigMap\ndata:\n', '  - value\n', ''),
    'application/yaml',
  ),
  'YAML whose aliases multiply': repeatBody(8, yamlBomb, 'application/yaml'),
  'protobuf of 1.5 million fields': repeatBody(8, protobufBomb(), 'application/vnd.kubernetes.protobuf'),
  'JSON patches of 10,000 operations': () =>
    repeat(8, async (on) => {
      const headers = {
        ':method': 'PATCH',
        ':path': `${MAPS}/large`,
        'content-type': 'application/json-patch+json',
      };
      note(await ask(on, headers, longPatch));
    }),
  '500 connections that never end their headers': () => slowHeaders(500),
  'streams opened and reset': rapidReset,
  '400 lists of 500 pods at once': () => requestFlood('/api/v1/pods'),
  '1,000 watchers that do not read': () => deafWatchers(1000),
};

async function quiet(): Promise<QuietReport> {
  const on = session();
  const latencies: number[] = [];
  for (let n = 0; !isOver(); n++) {
    const startedMs = performance.now();
    const body = n % 4 === 0 ? Buffer.from(`{"data":{"n":"${n}"}}`) : undefined;
    const write = { ':method': 'PATCH', 'content-type': 'application/merge-patch+json' };
    const status = await ask(on, { ':path': `${MAPS}/quiet`, ...(body ? write : {}) }, body);
    if (status !== 200) throw new Error(`the quiet client is answered ${status}`);
    latencies.push(performance.now() - startedMs);
    await pause(5);
  }
  on.destroy();
  latencies.sort((a, b) => a - b);
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { count: latencies.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1) };
}

process.stdout.write('ready\n');
// What is still on its way when the time is up is no part of the measurement.
setTimeout(
  () => {
    if (order.role !== 'quiet') process.stdout.write(`${JSON.stringify(answers)}\n`, () => process.exit(0));
  },
  (order.seconds + 2) * 1000,
).unref();
let report: QuietReport | AttackReport = answers;
if (order.role === 'quiet') report = await quiet();
else if (order.role === 'names') process.stdout.write(`${JSON.stringify(Object.keys(ATTACKS))}\n`);
else await ATTACKS[order.role]!();
if (order.role !== 'names') process.stdout.write(`${JSON.stringify(report)}\n`);
process.exit(0);
