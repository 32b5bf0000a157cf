import test from 'ava';
import { DEFAULT_ADMISSION } from '../../../src/apiserver/admission/admission-config.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';

const PODS = '/api/v1/namespaces/default/pods';
const pod = (resources: object) => ({
  metadata: { name: 'p' },
  spec: { containers: [{ name: 'c', image: 'i', resources }] },
});

test('a LimitRange fills in what is left out, tells so, and bounds what is said', async (t) => {
  const plane = await startControlPlane();
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  await api.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  await api.post('/api/v1/namespaces/default/limitranges', {
    metadata: { name: 'l' },
    spec: {
      limits: [
        {
          type: 'Container',
          default: { cpu: '500m' },
          defaultRequest: { cpu: '100m', memory: '64Mi' },
          min: { cpu: '50m' },
          max: { cpu: '1' },
          maxLimitRequestRatio: { cpu: '8' },
        },
        { type: 'PersistentVolumeClaim', max: { storage: '1Gi' } },
      ],
    },
  });
  const made = (await api.post(`${PODS}?dryRun=All`, pod({}))).json();
  t.is(
    made.metadata.annotations?.['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container c; cpu limit for container c',
  );
  t.like(made, {
    spec: {
      containers: [{ resources: { requests: { cpu: '100m', memory: '64Mi' }, limits: { cpu: '500m' } } }],
    },
  });
  const refusals: Array<[object, string]> = [
    [
      { limits: { cpu: '2' }, requests: { cpu: '1' } },
      'maximum cpu usage per Container is 1, but limit is 2',
    ],
    [
      { limits: { cpu: '200m' }, requests: { cpu: '10m' } },
      '[minimum cpu usage per Container is 50m, but request is 10m, ' +
        'cpu max limit to request ratio per Container is 8, but provided ratio is 20.000000]',
    ],
  ];
  for (const [resources, why] of refusals) {
    t.is((await api.post(PODS, pod(resources))).json()['message'], `pods "p" is forbidden: ${why}`);
  }
  const claim = await api.post('/api/v1/namespaces/default/persistentvolumeclaims', {
    metadata: { name: 'v' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '2Gi' } } },
  });
  t.is(
    claim.json()['message'],
    'persistentvolumeclaims "v" is forbidden: maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi',
  );
});

test('plugins run as they are asked for, and a wrong name is refused', async (t) => {
  const admission = {
    ...DEFAULT_ADMISSION,
    enabled: ['AlwaysPullImages', 'DenyServiceExternalIPs', 'EventRateLimit'],
  };
  const eventLimits = [{ type: 'Namespace' as const, qps: 1, burst: 2, cacheSize: 10 }];
  const plane = await startControlPlane({ server: { admission: { ...admission, eventLimits } } });
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  await api.post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
  const image = { metadata: { name: 'p' }, spec: { containers: [{ name: 'c', image: 'i:1' }] } };
  t.like((await api.post(PODS, image)).json(), { spec: { containers: [{ imagePullPolicy: 'Always' }] } });
  const service = await api.post('/api/v1/namespaces/default/services', {
    metadata: { name: 's' },
    spec: { ports: [{ port: 80 }], externalIPs: ['203.0.113.1'] },
  });
  t.is(
    service.json()['message'],
    'services "s" is forbidden: Use of external IPs is denied by admission control.',
  );
  const event = (name: string) => ({
    metadata: { name, namespace: 'default' },
    involvedObject: { namespace: 'default', name: 'p', kind: 'Pod' },
  });
  const codes = [];
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    codes.push((await api.post('/api/v1/namespaces/default/events', event(name))).status);
  }
  t.deepEqual(codes.slice(0, 2), [201, 201]);
  t.true(codes.includes(429), String(codes));
  const error = await t.throwsAsync(
    startControlPlane({ server: { admission: { ...DEFAULT_ADMISSION, disabled: ['NoSuch'] } } }),
  );
  t.regex(error.message, /there is no admission plugin NoSuch/);
});
