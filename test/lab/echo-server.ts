// A process of a test's namespace: `node echo-server.ts NAME PORT`. A TCP client is told NAME and the address that
// it seems to have, then hears back what it sends; each UDP datagram is answered with the same greeting.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const [, , name = '', port = '0'] = process.argv;

const tcp = createServer((socket) => {
  socket.on('error', () => {});
  socket.write(`${name} ${socket.remoteAddress}\n`);
  socket.pipe(socket);
});

const udp = createSocket('udp6', (_message, from) => {
  udp.send(`${name} ${from.address}\n`, from.port, from.address);
});

tcp.listen(Number(port), '::', () => {
  udp.bind(Number(port), '::', () => process.stdout.write('ready\n'));
});
