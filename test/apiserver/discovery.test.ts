import test from 'ava';
import { ALL_RESOURCES } from '../../src/api/gen/resources.ts';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { RawApi } from '../helpers/raw-api.ts';

let plane: TestControlPlane;
let api: RawApi;

test.before(async () => {
  plane = await startControlPlane();
  api = new RawApi(plane);
});
test.after.always(async () => {
  api.close();
  await plane.close();
});

interface Resource {
  name: string;
  kind: string;
  verbs: string[];
  namespaced: boolean;
}

test('every built-in kind is discovered under its group and version', async (t) => {
  for (const { group, version, resource, kind, namespaced } of ALL_RESOURCES) {
    const path = group === '' ? `/api/${version}` : `/apis/${group}/${version}`;
    const list = (await api.get(path)).json().resources as Resource[];
    t.like(
      list.find(({ name }) => name === resource),
      { kind, namespaced },
      `${group}/${resource}`,
    );
  }
});

test('every kind with list answers a list, and a Table', async (t) => {
  const groups = (await api.get('/apis')).json().groups as Array<{
    versions: Array<{ groupVersion: string }>;
  }>;
  const paths = [
    '/api/v1',
    ...groups.flatMap((group) => group.versions.map((each) => `/apis/${each.groupVersion}`)),
  ];
  for (const path of paths) {
    const resources = (await api.get(path)).json().resources as Resource[];
    for (const { name, kind, verbs } of resources) {
      if (!verbs.includes('list')) continue;
      const list = await api.get(`${path}/${name}`);
      t.is(list.status, 200, `${path}/${name}`);
      t.is(list.json().kind, `${kind}List`);
      const table = await api.get(`${path}/${name}`, {
        accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
      });
      t.is(table.json().kind, 'Table', `${path}/${name}`);
    }
  }
});

test('aggregated discovery is one document for each root, with an ETag', async (t) => {
  const accept = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  const core = await api.get('/api', { accept });
  t.is(core.headers['content-type'], 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList');
  t.like(core.json(), { kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2' });
  const groups = await api.get('/apis', { accept });
  const items = groups.json().items as Array<{
    metadata: { name: string };
    versions: Array<{
      version: string;
      resources: Array<{ resource: string; subresources?: Array<{ subresource: string }> }>;
    }>;
  }>;
  const apps = items.find((item) => item.metadata.name === 'apps');
  const deployments = apps?.versions[0]?.resources.find(({ resource }) => resource === 'deployments');
  t.deepEqual(deployments?.subresources?.map(({ subresource }) => subresource).sort(), ['scale', 'status']);
  const autoscaling = items.find((item) => item.metadata.name === 'autoscaling');
  t.deepEqual(
    autoscaling?.versions.map(({ version }) => version),
    ['v2', 'v1'],
  );
  const etag = String(groups.headers.etag);
  t.is((await api.get('/apis', { accept, 'if-none-match': etag })).status, 304);
});

test('OpenAPI v3 has an index with hashes, and documents whose references all resolve', async (t) => {
  const index = (await api.get('/openapi/v3')).json().paths as Record<string, { serverRelativeURL: string }>;
  t.truthy(index['api/v1']);
  t.truthy(index['apis/apps/v1']);
  for (const { serverRelativeURL } of Object.values(index)) {
    t.regex(serverRelativeURL, /^\/openapi\/v3\/apis?\/.*\?hash=[0-9A-F]{128}$/);
    const answer = await api.get(serverRelativeURL);
    t.is(answer.status, 200);
    const document = answer.json() as unknown as { components: { schemas: object }; paths: object };
    const known = new Set(Object.keys(document.components.schemas));
    const wanted = new Set(
      [...answer.body.toString().matchAll(/#\/components\/schemas\/([^"]+)"/g)].map(
        (match) => match[1] ?? '',
      ),
    );
    t.deepEqual(
      [...wanted].filter((name) => !known.has(name)),
      [],
      serverRelativeURL,
    );
    t.true(Object.keys(document.paths).length > 0);
  }
  const patch = (await api.get('/openapi/v3/apis/apps/v1')).json() as unknown as {
    paths: Record<
      string,
      { patch: { parameters: Array<{ name: string }>; 'x-kubernetes-group-version-kind': object } }
    >;
  };
  const operation = patch.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}']?.patch;
  t.true(operation?.parameters.some(({ name }) => name === 'fieldValidation'));
  t.deepEqual(operation?.['x-kubernetes-group-version-kind'], {
    group: 'apps',
    version: 'v1',
    kind: 'Deployment',
  });
});

test('OpenAPI v2 comes in JSON and in protobuf, with an ETag', async (t) => {
  const json = await api.get('/openapi/v2', { accept: 'application/json' });
  t.like(json.json(), { swagger: '2.0' });
  t.is((await api.get('/openapi/v2', { 'if-none-match': String(json.headers.etag) })).status, 304);
  const type = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const protobuf = await api.get('/openapi/v2', { accept: type });
  t.is(protobuf.headers['content-type'], type.replace('@', '.'));
  // Field 1 of the message is the version of the format.
  t.is(protobuf.body.subarray(0, 5).toString('latin1'), '\n\x032.0');
});

test('version, health and metrics', async (t) => {
  t.like((await api.get('/version')).json(), { major: '1', minor: '36' });
  t.regex(String((await api.get('/version')).json().gitVersion), /^v1\.36\.0\+slipway/);
  for (const path of ['/healthz', '/livez', '/readyz', '/readyz/ping', '/livez/etcd']) {
    t.is((await api.get(path)).body.toString(), 'ok', path);
  }
  t.regex(
    (await api.get('/readyz?verbose')).body.toString(),
    /^\[\+\]ping ok\n[\s\S]*readyz check passed\n$/,
  );
  t.is((await api.get('/readyz/nonsense')).status, 404);
  await api.get('/api/v1/namespaces');
  const metrics = (await api.get('/metrics')).body.toString();
  t.regex(
    metrics,
    /^apiserver_request_total\{verb="LIST",group="",version="v1",resource="namespaces",subresource="",code="200"\} \d+$/m,
  );
  t.regex(metrics, /^apiserver_storage_objects\{resource="namespaces"\} 4$/m);
});
