import test from 'ava';
import { startControlPlane } from '../helpers/control-plane.ts';
import { debianKubectl } from '../helpers/debian-kubectl.ts';
import { kubectlWith, type Kubectl } from '../helpers/kubectl.ts';

const debian = debianKubectl();
const withDebian = debian.reason === undefined ? test : test.skip;
if (debian.reason !== undefined) test(`Debian’s kubectl is needed: ${debian.reason}`, (t) => t.pass());

async function start(): Promise<{ kubectl: Kubectl; close: () => Promise<void> }> {
  const plane = await startControlPlane();
  const program = debian.reason === undefined ? debian.program : '';
  return { kubectl: kubectlWith(await plane.kubeconfig(), program), close: () => plane.close() };
}

const SERVICE = `
apiVersion: v1
kind: Service
metadata: {name: old, labels: {by: debian}}
spec:
  selector: {app: old}
  ports: [{port: 80}]
`;

withDebian('Debian’s old kubectl validates, applies, changes, explains and deletes', async (t) => {
  const { kubectl, close } = await start();
  t.teardown(close);
  t.regex(await kubectl('version'), /Server Version: .*v1\.36/);
  t.is((await kubectl.withInput(SERVICE, 'apply', '-f', '-')).trim(), 'service/old created');
  t.is((await kubectl.withInput(SERVICE, 'apply', '-f', '-')).trim(), 'service/old unchanged');
  const moved = SERVICE.replace('port: 80', 'port: 81');
  t.is((await kubectl.withInput(moved, 'apply', '-f', '-')).trim(), 'service/old configured');
  t.is(await kubectl('get', 'svc', 'old', '-o', 'jsonpath={.spec.ports[*].port}'), '81');
  t.regex(await kubectl('get', 'svc', '-l', 'by=debian'), /^NAME +TYPE +CLUSTER-IP/);
  const typo = await kubectl.try(['apply', '-f', '-'], SERVICE.replace('ports:', 'prots:'));
  t.is(typo.code, 1);
  t.regex(typo.stderr, /unknown field "prots" in io\.k8s\.api\.core\.v1\.ServiceSpec/);
  await kubectl('label', 'svc', 'old', 'tier=back');
  t.is(await kubectl('get', 'svc', 'old', '-o', 'jsonpath={.metadata.labels.tier}'), 'back');
  await kubectl('patch', 'svc', 'old', '-p', '{"spec":{"type":"NodePort"}}');
  t.regex(await kubectl('get', 'svc', 'old'), /NodePort/);
  t.regex(await kubectl('explain', 'service.spec.ports'), /targetPort/);
  t.regex(await kubectl('api-resources'), /^deployments +deploy +apps\/v1 +true +Deployment$/m);
  t.regex(await kubectl('describe', 'svc', 'old'), /Type: +NodePort/);
  t.is((await kubectl('delete', 'svc', 'old')).trim(), 'service "old" deleted');
});

withDebian('Debian’s old kubectl applies on the server', async (t) => {
  const { kubectl, close } = await start();
  t.teardown(close);
  const applied = await kubectl.withInput(SERVICE, 'apply', '--server-side', '-f', '-');
  t.is(applied.trim(), 'service/old serverside-applied');
});
