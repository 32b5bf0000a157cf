import type { TestControlPlane } from './control-plane.ts';
import type { RawApi } from './raw-api.ts';

/**
 * Makes a Service whose one endpoint is a port on loopback, where tests have their servers. Validation lets no
 * endpoint be there, so the store is told directly.
 */
export async function loopbackService(
  plane: TestControlPlane,
  api: RawApi,
  service: { namespace: string; name: string; port: number; targetPort: number },
): Promise<void> {
  const { namespace, name, port, targetPort } = service;
  const post = async (path: string, body: object) => {
    const made = await api.post(path, body);
    if (made.status !== 201 && made.status !== 409) throw new Error(made.body.toString());
  };
  await post('/api/v1/namespaces', { metadata: { name: namespace } });
  await post(`/api/v1/namespaces/${namespace}/services`, {
    metadata: { name },
    spec: { ports: [{ name: 'https', port }] },
  });
  await loopbackEndpoints(plane, api, { namespace, name, targetPort });
}

export async function loopbackEndpoints(
  plane: TestControlPlane,
  api: RawApi,
  { namespace, name, targetPort }: { namespace: string; name: string; targetPort: number },
): Promise<void> {
  const made = await api.post(`/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices`, {
    metadata: { name: `${name}-1`, labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    ports: [{ name: 'https', port: targetPort }],
    endpoints: [{ addresses: ['10.1.2.3'], conditions: { ready: false } }],
  });
  if (made.status !== 201) throw new Error(made.body.toString());
  const key = `/registry/endpointslices.discovery.k8s.io/${namespace}/${name}-1`;
  const { kv } = await plane.storage.get(key);
  if (!kv) throw new Error(`there is no ${key}`);
  const text = kv.value.toString().replace('10.1.2.3', '127.0.0.1').replace('"ready":false', '"ready":true');
  await plane.storage.put(key, Buffer.from(text), kv.modRevision);
}
