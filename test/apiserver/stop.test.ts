/** An API server that stops while it is asked. */
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import test from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import { waitFor } from '../helpers/wait-for.ts';

const OBJECT = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'slow' } });

test('what is under way is answered; what comes later is told to ask again, elsewhere', async (t) => {
  const plane = await startControlPlane();
  t.teardown(() => plane.close());
  const { port } = new URL(plane.url);
  const tcp = async (): Promise<Socket> => {
    const socket = connectTcp(Number(port), '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    return socket;
  };
  const open = async (over: Socket): Promise<{ socket: TLSSocket; said: () => string }> => {
    const { certPem: cert, keyPem: key } = plane.admin;
    const socket = connect({ socket: over, ca: plane.ca.certPem, cert, key, ALPNProtocols: ['http/1.1'] });
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    return { socket, said: () => text };
  };
  // The server has taken the reader's connection when it stops, and not yet heard of it.
  const [writer, late] = [await open(await tcp()), await tcp()];
  const path = '/api/v1/namespaces/default/configmaps';
  const head = `host: localhost\r\ncontent-type: application/json\r\ncontent-length: ${OBJECT.length}\r\n`;
  writer.socket.write(`POST ${path} HTTP/1.1\r\n${head}\r\n${OBJECT.slice(0, 10)}`);
  // An answer to a later question: the write is under way by then.
  const other = await open(await tcp());
  other.socket.write('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n');
  await waitFor('the server answers', () => other.said().includes('200 OK'));
  const closed = plane.close();
  await waitFor(
    'it takes no connections',
    async () =>
      await tcp().then(
        () => false,
        () => true,
      ),
  );
  const reader = await open(late);
  reader.socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`);
  await waitFor('it says that it stops', () => reader.said().includes('apiserver is shutting down'));
  t.regex(reader.said(), /503 Service Unavailable[^]*?retry-after: 1\r\n/i);
  writer.socket.write(OBJECT.slice(10));
  await waitFor('the write is answered', () => writer.said().includes('201 Created'));
  await closed;
});
