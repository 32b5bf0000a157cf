import test from 'ava';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../helpers/control-plane.ts';
import { kubectlSkipReason, kubectlWith } from '../../helpers/kubectl.ts';
import type { Kubectl } from '../../helpers/kubectl.ts';

const reason = kubectlSkipReason();
const withKubectl = reason === undefined ? test : test.skip;

let plane: TestControlPlane;
let kubectl: Kubectl;

test.before(async () => {
  plane = await startControlPlane();
  kubectl = kubectlWith(await plane.kubeconfig());
});
test.after.always(() => plane.close());

const config = (name: string, data: object) =>
  JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data });

const DEFINITION = JSON.stringify({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'crontabs.stable.example.com' },
  spec: {
    group: 'stable.example.com',
    scope: 'Namespaced',
    names: { plural: 'crontabs', singular: 'crontab', kind: 'CronTab', shortNames: ['ct'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        additionalPrinterColumns: [
          { name: 'Spec', type: 'string', jsonPath: '.spec.cronSpec' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
        },
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description: 'CronTab runs things at times.',
            properties: {
              spec: {
                type: 'object',
                required: ['cronSpec'],
                properties: {
                  cronSpec: { type: 'string', description: 'When to run.' },
                  replicas: { type: 'integer', minimum: 0 },
                },
              },
              status: { type: 'object', properties: { replicas: { type: 'integer' } } },
            },
          },
        },
      },
    ],
  },
});

withKubectl('kubectl apply --server-side: conflicts are shown, and forced on request', async (t) => {
  await kubectl.withInput(config('ours', { a: '1', b: '1' }), 'apply', '--server-side', '-f', '-');
  const other = ['apply', '--server-side', '--field-manager=other', '-f', '-'];
  const refused = await kubectl.try(other, config('ours', { a: '2' }));
  t.is(refused.code, 1);
  t.true(
    refused.stderr.startsWith('error: Apply failed with 1 conflict: conflict with "kubectl": .data.a\n'),
  );
  await kubectl.withInput(config('ours', { a: '2' }), ...other, '--force-conflicts');
  await kubectl.withInput(config('ours', { b: '1' }), 'apply', '--server-side', '-f', '-');
  const { data } = await kubectl.json<{ data: object }>('get', 'configmap', 'ours', '-o', 'json');
  t.deepEqual(data, { a: '2', b: '1' });
});

withKubectl(
  'kubectl goes from client-side apply to server-side apply and drops fields on the way',
  async (t) => {
    await kubectl.withInput(config('moved', { a: '1', b: '1' }), 'apply', '-f', '-');
    await kubectl.withInput(config('moved', { a: '2' }), 'apply', '--server-side', '-f', '-');
    const { data, metadata } = await kubectl.json<{
      data: object;
      metadata: { managedFields: Array<{ manager: string }> };
    }>('get', 'configmap', 'moved', '-o', 'json', '--show-managed-fields');
    t.deepEqual(data, { a: '2' });
    t.deepEqual(
      metadata.managedFields.map(({ manager }) => manager),
      // The annotation gets an owner of its own, which kubectl makes.
      ['kubectl-last-applied', 'kubectl'],
    );
  },
);

withKubectl('kubectl diff --server-side tells what an apply would change', async (t) => {
  await kubectl.withInput(config('diffed', { a: '1' }), 'apply', '--server-side', '-f', '-');
  const diff = await kubectl.try(['diff', '--server-side', '-f', '-'], config('diffed', { a: '2' }));
  t.is(diff.code, 1);
  t.regex(diff.stdout, /^-  a: "1"\n\+  a: "2"$/m);
});

withKubectl('kubectl works with custom kinds: get, explain, scale, validation, delete', async (t) => {
  await kubectl.withInput(DEFINITION, 'apply', '-f', '-');
  await kubectl('wait', '--for=condition=Established', 'crd/crontabs.stable.example.com', '--timeout=10s');
  const object = (spec: object) =>
    JSON.stringify({
      apiVersion: 'stable.example.com/v1',
      kind: 'CronTab',
      metadata: { name: 'my', namespace: 'default' },
      spec,
    });
  const unknown = await kubectl.try(['create', '-f', '-'], object({ cronSpec: '* *', bogus: 1 }));
  t.regex(unknown.stderr, /strict decoding error: unknown field "spec.bogus"/);
  const missing = await kubectl.try(['create', '-f', '-'], object({ replicas: 1 }));
  t.regex(missing.stderr, /spec.cronSpec: Required value/);
  await kubectl.withInput(object({ cronSpec: '* *', replicas: 1 }), 'apply', '-f', '-');
  t.regex(await kubectl('get', 'ct'), /^NAME +SPEC +AGE\nmy +\* \* +\d+s\n$/);
  await kubectl('scale', 'crontab/my', '--replicas=3');
  t.is(await kubectl('get', 'ct/my', '-o', 'jsonpath={.spec.replicas}'), '3');
  t.regex(await kubectl('explain', 'crontab.spec'), /cronSpec\t<string> -required-\n\s+When to run\./);
  t.regex(await kubectl('explain', 'ct.metadata'), /creationTimestamp\t<string>\n\s+CreationTimestamp is/);
  t.regex(
    await kubectl('api-resources', '--api-group=stable.example.com'),
    /crontabs +ct +stable.example.com\/v1 +true +CronTab/,
  );
  await kubectl('delete', 'crd', 'crontabs.stable.example.com');
  const gone = await kubectl.try(['get', '--raw', '/apis/stable.example.com/v1']);
  t.is(gone.code, 1);
});
