import test from 'ava';
import { DEFAULT_ADMISSION } from '../../../src/apiserver/admission/admission-config.ts';
import { configuredDefaults } from '../../../src/apiserver/admission/pod-security/levels.ts';
import { startControlPlane } from '../../helpers/control-plane.ts';
import type { ControlPlaneOptions } from '../../helpers/control-plane.ts';
import { RawApi } from '../../helpers/raw-api.ts';
import type { ExecutionContext } from 'ava';

async function start(
  t: ExecutionContext,
  labels: Record<string, string>,
  options: ControlPlaneOptions = {},
): Promise<RawApi> {
  const plane = await startControlPlane(options);
  const api = new RawApi(plane);
  t.teardown(async () => {
    api.close();
    await plane.close();
  });
  await api.post('/api/v1/namespaces', { metadata: { name: 'ps', labels: prefixed(labels) } });
  await api.post('/api/v1/namespaces/ps/serviceaccounts', { metadata: { name: 'default' } });
  return api;
}

const prefixed = (labels: Record<string, string>) =>
  Object.fromEntries(
    Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]),
  );

const PODS = '/api/v1/namespaces/ps/pods';
const plain = { containers: [{ name: 'c', image: 'i' }] };
const pod = (spec: object = plain) => ({ metadata: { name: 'p' }, spec });
const RESTRICTED =
  'allowPrivilegeEscalation != false (container "c" must set securityContext.allowPrivilegeEscalation=false), ' +
  'unrestricted capabilities (container "c" must set securityContext.capabilities.drop=["ALL"]), ' +
  'runAsNonRoot != true (pod or container "c" must set securityContext.runAsNonRoot=true), ' +
  'seccompProfile (pod or container "c" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';
const strict = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [
    {
      name: 'c',
      image: 'i',
      securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
    },
  ],
};

test('restricted says all that is missing in upstream’s words, and lets in what has it', async (t) => {
  const api = await start(t, { enforce: 'restricted' });
  const refused = await api.post(PODS, pod());
  t.is(refused.status, 403);
  t.is(
    refused.json()['message'],
    `pods "p" is forbidden: violates PodSecurity "restricted:latest": ${RESTRICTED}`,
  );
  t.is((await api.post(PODS, pod(strict))).status, 201);
});

test('baseline refuses what reaches the host', async (t) => {
  const api = await start(t, { enforce: 'baseline', 'enforce-version': 'v1.35' });
  t.is((await api.post(`${PODS}?dryRun=All`, pod())).status, 201);
  const refused = await api.post(PODS, {
    metadata: { name: 'p' },
    spec: {
      hostNetwork: true,
      hostPID: true,
      containers: [
        {
          name: 'a',
          image: 'i',
          ports: [{ containerPort: 80, hostPort: 80 }],
          securityContext: { privileged: true, capabilities: { add: ['NET_ADMIN'] } },
        },
        { name: 'b', image: 'i', livenessProbe: { tcpSocket: { host: 'elsewhere', port: 1 } } },
      ],
      volumes: [{ name: 'v', hostPath: { path: '/' } }],
    },
  });
  t.is(
    refused.json()['message'],
    'pods "p" is forbidden: violates PodSecurity "baseline:v1.35": ' +
      'non-default capabilities (container "a" must not include "NET_ADMIN" in securityContext.capabilities.add), ' +
      'host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volume "v"), ' +
      'hostPort (container "a" uses hostPort 80), ' +
      'probe or lifecycle host (container "b" uses probe or lifecycle host "elsewhere"), ' +
      'privileged (container "a" must not set securityContext.privileged=true)',
  );
});

test('a workload is warned about and not refused, and so are pods that were there before', async (t) => {
  const api = await start(t, { warn: 'restricted' });
  const made = await api.post('/apis/apps/v1/namespaces/ps/deployments', {
    metadata: { name: 'd' },
    spec: {
      selector: { matchLabels: { a: 'b' } },
      template: { metadata: { labels: { a: 'b' } }, spec: plain },
    },
  });
  t.is(made.status, 201);
  t.true(String(made.headers['warning']).includes('would violate PodSecurity \\"restricted:latest\\"'));
  t.is((await api.post(PODS, pod())).status, 201);
  const raised = await api.request('PATCH', '/api/v1/namespaces/ps', {
    body: { metadata: { labels: prefixed({ enforce: 'restricted' }) } },
    headers: { 'content-type': 'application/merge-patch+json' },
  });
  t.is(raised.status, 200);
  const warnings = String(raised.headers['warning']);
  t.true(
    warnings.includes(
      'existing pods in namespace \\"ps\\" violate the new PodSecurity enforce level \\"restricted:latest\\"',
    ),
  );
  t.true(
    warnings.includes(
      'p: allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile',
    ),
  );
});

test('labels that say nothing are refused, and exempt namespaces are let be', async (t) => {
  const strictest = configuredDefaults({ enforce: 'restricted', 'enforce-version': 'latest' });
  const exemptions = { usernames: [], namespaces: ['exempt'], runtimeClasses: [] };
  const admission = { ...DEFAULT_ADMISSION, podSecurity: { defaults: strictest, exemptions } };
  const api = await start(t, {}, { server: { admission } });
  t.is((await api.post(PODS, pod())).status, 403);
  await api.post('/api/v1/namespaces', { metadata: { name: 'exempt' } });
  await api.post('/api/v1/namespaces/exempt/serviceaccounts', { metadata: { name: 'default' } });
  t.is((await api.post('/api/v1/namespaces/exempt/pods', pod())).status, 201);
  const wrong = await api.post('/api/v1/namespaces', {
    metadata: { name: 'wrong', labels: prefixed({ enforce: 'loose', 'warn-version': '1.2' }) },
  });
  t.is(
    wrong.json()['message'],
    'Namespace "wrong" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "loose": ' +
      'must be one of privileged, baseline, restricted, ' +
      'metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.2": must be "latest" or "v1.x"]',
  );
});
