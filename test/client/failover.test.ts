import test from 'ava';
import { CONFIGMAPS } from '../../src/api/gen/resources.ts';
import type { ConfigMap } from '../../src/api/gen/types/core-v1.ts';
import { systemClock } from '../../src/base/clock.ts';
import { silentLogger } from '../../src/base/log.ts';
import { startApiServer } from '../../src/apiserver/server.ts';
import { ResourceInformer } from '../../src/client/informer.ts';
import { RestClient } from '../../src/client/rest-client.ts';
import { issueCertificate } from '../../src/pki/issue.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import { waitFor } from '../helpers/wait-for.ts';

test('an informer and a writer go on when the API server that they use is gone', async (t) => {
  const plane = await startControlPlane();
  const { certPem, keyPem } = issueCertificate({
    ca: plane.ca,
    commonName: 'kube-apiserver',
    organizations: [],
    usages: ['digital signature', 'server auth'],
    dnsNames: [],
    ipAddresses: ['127.0.0.1'],
    clock: systemClock,
  });
  const second = await startApiServer({
    storage: plane.storage,
    port: 0,
    tls: { cert: certPem, key: keyPem, clientCa: [plane.ca.certPem] },
    advertiseAddress: '192.0.2.2',
    clock: systemClock,
    log: silentLogger,
  });
  const credentials = { ca: plane.ca.certPem, cert: plane.admin.certPem, key: plane.admin.keyPem };
  const client = new RestClient({ servers: [plane.url, second.url], credentials });
  const informer = new ResourceInformer<ConfigMap>({
    client,
    resource: CONFIGMAPS,
    namespace: 'default',
    clock: systemClock,
    log: silentLogger,
  });
  const told: string[] = [];
  informer.subscribe({
    added: (map) => told.push(map.metadata?.name ?? ''),
    deleted: (map) => told.push(`-${map.metadata?.name}`),
  });
  const stop = new AbortController();
  const running = informer.run(stop.signal);
  await informer.whenSynced();
  await client.create(CONFIGMAPS, { metadata: { name: 'before', namespace: 'default' } });
  await waitFor('the first object', () => told.includes('before'));
  await plane.server.close();
  await client.create(CONFIGMAPS, { metadata: { name: 'after', namespace: 'default' } });
  await waitFor('the second object', () => told.includes('after'));
  t.deepEqual(
    told.filter((name) => name === 'before' || name.startsWith('-')),
    ['before'],
    'nothing is told twice or as gone',
  );
  stop.abort();
  await running;
  client.close();
  await second.close();
  await plane.close();
});
