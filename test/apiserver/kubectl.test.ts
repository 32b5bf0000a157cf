import test from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import type { TestControlPlane } from '../helpers/control-plane.ts';
import { kubectlSkipReason, kubectlWith } from '../helpers/kubectl.ts';
import type { Kubectl } from '../helpers/kubectl.ts';
import { waitFor } from '../helpers/wait-for.ts';

let plane: TestControlPlane;
let kubectl: Kubectl;
const skipReason = kubectlSkipReason();
const withKubectl = skipReason ? test.skip : test;
if (skipReason) test(`kubectl is needed: ${skipReason}`, (t) => t.pass());

test.before(async () => {
  plane = await startControlPlane();
  kubectl = kubectlWith(await plane.kubeconfig());
});
test.after.always(() => plane.close());

const DEPLOYMENT = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  labels: {app: NAME}
spec:
  replicas: 2
  selector: {matchLabels: {app: NAME}}
  template:
    metadata: {labels: {app: NAME}}
    spec:
      containers:
      - name: main
        image: busybox:1
`;
const deployment = (name: string) => DEPLOYMENT.replaceAll('NAME', name);

withKubectl('kubectl creates, gets in all forms, and deletes', async (t) => {
  t.is(
    (await kubectl('create', 'configmap', 'forms', '--from-literal=a=1')).trim(),
    'configmap/forms created',
  );
  t.is(await kubectl('get', 'cm', 'forms', '-o', 'jsonpath={.data.a}'), '1');
  t.regex(
    await kubectl('get', 'cm', 'forms', '-o', 'yaml'),
    /^apiVersion: v1\ndata:\n {2}a: "1"\nkind: ConfigMap\n/,
  );
  t.is(await kubectl('get', 'cm', 'forms', '-o', 'template={{.metadata.name}}'), 'forms');
  t.is((await kubectl('get', 'cm', 'forms', '-o', 'name')).trim(), 'configmap/forms');
  t.regex(await kubectl('get', 'cm', 'forms'), /^NAME +DATA +AGE\nforms +1 +\d+s\n$/);
  t.is((await kubectl('delete', 'cm', 'forms')).trim(), 'configmap "forms" deleted');
  const gone = await kubectl.try(['get', 'cm', 'forms']);
  t.is(gone.code, 1);
  t.is(gone.stderr.trim(), 'Error from server (NotFound): configmaps "forms" not found');
});

withKubectl('kubectl apply creates, leaves alone, and configures', async (t) => {
  const apply = (text: string) => kubectl.withInput(text, 'apply', '-f', '-');
  t.is((await apply(deployment('applied'))).trim(), 'deployment.apps/applied created');
  t.is((await apply(deployment('applied'))).trim(), 'deployment.apps/applied unchanged');
  const more = deployment('applied').replace('replicas: 2', 'replicas: 3').replace('busybox:1', 'busybox:2');
  t.is((await apply(more)).trim(), 'deployment.apps/applied configured');
  t.is(
    await kubectl('get', 'deploy', 'applied', '-o', 'jsonpath={.spec.replicas} {.metadata.generation}'),
    '3 2',
  );
  const difference = await kubectl.try(['diff', '-f', '-'], deployment('applied'));
  t.is(difference.code, 1);
  t.regex(difference.stdout, /-\s+replicas: 3\n\+\s+replicas: 2/);
  t.regex(
    await kubectl('get', 'deploy', 'applied', '-o', 'wide'),
    /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE +CONTAINERS +IMAGES +SELECTOR\n/,
  );
});

withKubectl('kubectl names unknown fields and refuses them', async (t) => {
  const bad = deployment('typo').replace('image:', 'imag:');
  const answer = await kubectl.try(['apply', '-f', '-'], bad);
  t.is(answer.code, 1);
  t.regex(answer.stderr, /strict decoding error: unknown field "spec.template.spec.containers\[0\].imag"/);
});

withKubectl('kubectl labels, annotates, and patches in three ways', async (t) => {
  await kubectl.withInput(deployment('changed'), 'create', '-f', '-');
  const read = (path: string) => kubectl('get', 'deploy', 'changed', '-o', `jsonpath={${path}}`);
  await kubectl('label', 'deploy', 'changed', 'tier=web');
  await kubectl('annotate', 'deploy', 'changed', 'note=some words');
  t.is(await read('.metadata.labels.tier}{.metadata.annotations.note'), 'websome words');
  await kubectl(
    'patch',
    'deploy',
    'changed',
    '-p',
    '{"spec":{"template":{"spec":{"containers":[{"name":"side","image":"b"}]}}}}',
  );
  t.is(await read('.spec.template.spec.containers[*].name'), 'side main');
  await kubectl('patch', 'deploy', 'changed', '--type=merge', '-p', '{"spec":{"replicas":5}}');
  t.is(await read('.spec.replicas'), '5');
  await kubectl(
    'patch',
    'deploy',
    'changed',
    '--type=json',
    '-p',
    '[{"op":"replace","path":"/spec/replicas","value":6}]',
  );
  t.is(await read('.spec.replicas'), '6');
  await kubectl('label', 'deploy', 'changed', 'tier-');
  t.is(await read('.metadata.labels.tier'), '');
});

withKubectl('kubectl scales, and minds the current size', async (t) => {
  await kubectl.withInput(deployment('scaled'), 'create', '-f', '-');
  t.is((await kubectl('scale', 'deploy', 'scaled', '--replicas=4')).trim(), 'deployment.apps/scaled scaled');
  t.is(await kubectl('get', 'deploy', 'scaled', '-o', 'jsonpath={.spec.replicas}'), '4');
  const wrong = await kubectl.try(['scale', 'deploy', 'scaled', '--current-replicas=9', '--replicas=1']);
  t.is(wrong.code, 1);
});

withKubectl('kubectl get -w shows changes as they come', async (t) => {
  const child = kubectl.spawn('get', 'cm', '-w', '-l', 'watched=yes', '--output-watch-events');
  let output = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  try {
    await kubectl('create', 'cm', 'seen', '--from-literal=a=1');
    await kubectl('label', 'cm', 'seen', 'watched=yes');
    await waitFor('the object to enter the watch', () => /ADDED +seen/.test(output));
    await kubectl('annotate', 'cm', 'seen', 'a=b');
    await kubectl('label', 'cm', 'seen', 'watched-');
    await waitFor('the object to leave the watch', () => /DELETED +seen/.test(output));
    t.regex(output, /ADDED +seen .*\nMODIFIED +seen .*\nDELETED +seen /);
  } finally {
    child.kill();
  }
});

withKubectl('kubectl explains, and lists what there is', async (t) => {
  const explained = await kubectl('explain', 'deployment.spec.strategy.rollingUpdate');
  t.regex(explained, /^GROUP: +apps\nKIND: +Deployment\nVERSION: +v1\n/);
  t.regex(explained, /maxSurge\s+<IntOrString>/);
  const resources = await kubectl('api-resources', '--no-headers');
  t.regex(resources, /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  t.regex(resources, /^pods +po +v1 +true +Pod$/m);
  t.regex(await kubectl('api-resources', '--categories=all', '-o', 'name'), /^deployments.apps$/m);
  const versions = (await kubectl('api-versions')).trim().split('\n');
  t.true(
    versions.includes('v1') &&
      versions.includes('apps/v1') &&
      versions.includes('rbac.authorization.k8s.io/v1'),
  );
  t.regex(await kubectl('version'), /Server Version: v1\.36\.0\+slipway/);
});

withKubectl('kubectl delete leaves by selector, and waits for finalizers', async (t) => {
  for (const name of ['s1', 's2']) {
    await kubectl('create', 'cm', name);
    await kubectl('label', 'cm', name, 'sweep=me');
  }
  const swept = (await kubectl('delete', 'cm', '-l', 'sweep=me')).trim().split('\n').sort();
  t.deepEqual(swept, ['configmap "s1" deleted', 'configmap "s2" deleted']);
  await kubectl('create', 'cm', 'held');
  await kubectl(
    'patch',
    'cm',
    'held',
    '--type=merge',
    '-p',
    '{"metadata":{"finalizers":["example.com/hold"]}}',
  );
  const deletion = kubectl('delete', 'cm', 'held', '--timeout=20s');
  await waitFor(
    'the deletion to begin',
    async () => (await kubectl('get', 'cm', 'held', '-o', 'jsonpath={.metadata.deletionTimestamp}')) !== '',
  );
  await kubectl('patch', 'cm', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}');
  t.is((await deletion).trim(), 'configmap "held" deleted');
});

withKubectl('kubectl replace, edit-like updates and server dry runs', async (t) => {
  await kubectl('create', 'cm', 'replaced', '--from-literal=a=1');
  const yaml = await kubectl('get', 'cm', 'replaced', '-o', 'yaml');
  await kubectl.withInput(yaml.replace('"1"', '"2"'), 'replace', '-f', '-');
  t.is(await kubectl('get', 'cm', 'replaced', '-o', 'jsonpath={.data.a}'), '2');
  const stale = await kubectl.try(['replace', '-f', '-'], yaml.replace('"1"', '"3"'));
  t.is(stale.code, 1);
  t.regex(stale.stderr, /the object has been modified; please apply your changes to the latest version/);
  const dry = await kubectl('create', 'cm', 'never', '--dry-run=server');
  t.is(dry.trim(), 'configmap/never created (server dry run)');
  t.is((await kubectl.try(['get', 'cm', 'never'])).code, 1);
});

withKubectl('kubectl auth can-i and describe', async (t) => {
  t.is((await kubectl('auth', 'can-i', 'delete', 'pods')).trim(), 'yes');
  t.is((await kubectl.try(['auth', 'can-i', 'get', 'secrets', '--as=nobody'])).stdout.trim(), 'no');
  t.regex(await kubectl('describe', 'service', 'kubernetes'), /IP: +10\.96\.0\.1\n/);
});
