import test from 'ava';
import { parseBindAddress, startHealthServer } from '../../src/base/health-server.ts';

test('/healthz tells the problem until there is none', async (t) => {
  let problem: string | undefined = 'not yet';
  const server = await startHealthServer({
    address: '127.0.0.1',
    port: 0,
    problem: () => problem,
    metrics: () => 'x 1\n',
  });
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`);
    return [response.status, await response.text()];
  };
  t.deepEqual(await get('/healthz'), [503, 'not yet']);
  problem = undefined;
  t.deepEqual(await get('/healthz?verbose'), [200, 'ok']);
  t.deepEqual(await get('/readyz'), [200, 'ok']);
  t.deepEqual(await get('/metrics'), [200, 'x 1\n']);
  t.deepEqual(await get('/other'), [404, 'not found']);
  await server.close();
});

test('a bind address is an address and a port', (t) => {
  t.deepEqual(parseBindAddress('127.0.0.1:10249'), { address: '127.0.0.1', port: 10_249 });
  t.deepEqual(parseBindAddress('[::1]:0'), { address: '::1', port: 0 });
  for (const text of ['10249', 'localhost:1', '127.0.0.1:99999', '']) t.is(parseBindAddress(text), undefined);
});
