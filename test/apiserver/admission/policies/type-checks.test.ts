import test from 'ava';
import type { ValidatingAdmissionPolicy } from '../../../../src/api/gen/types/admissionregistration-v1.ts';
import { startControlPlane } from '../../../helpers/control-plane.ts';
import type { TestControlPlane } from '../../../helpers/control-plane.ts';
import { RawApi } from '../../../helpers/raw-api.ts';
import { waitFor } from '../../../helpers/wait-for.ts';

const POLICIES = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';

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

interface Rule {
  groups: string[];
  versions: string[];
  resources: string[];
}

/** Makes a policy and gives its status as soon as it has one. */
async function statusOf(
  name: string,
  rule: Rule,
  spec: object,
): Promise<ValidatingAdmissionPolicy['status']> {
  const { groups: apiGroups, versions: apiVersions, resources } = rule;
  const resourceRules = [{ apiGroups, apiVersions, resources, operations: ['CREATE'] }];
  const object = {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name },
    spec: { matchConstraints: { resourceRules }, ...spec },
  };
  const made = await api.request('POST', POLICIES, { body: object });
  if (made.status !== 201) throw new Error(String(made.body));
  return waitFor(`the status of ${name}`, async () => {
    const answer = await api.request('GET', `${POLICIES}/${name}`);
    const { status } = answer.json() as unknown as ValidatingAdmissionPolicy;
    return status?.typeChecking && status;
  });
}

const DEPLOYMENTS: Rule = { groups: ['apps'], versions: ['v1'], resources: ['deployments'] };

test('what fits has no warnings', async (t) => {
  const validations = [
    { expression: 'object.spec.replicas > 1 && oldObject == null' },
    { expression: "object.spec.template.spec.containers.all(c, c.image.startsWith('a'))" },
    { expression: 'object.metadata.creationTimestamp < timestamp("2100-01-01T00:00:00Z")' },
    { expression: 'variables.replicas > 1' },
  ];
  const variables = [{ name: 'replicas', expression: 'object.spec.replicas' }];
  const status = await statusOf('fits', DEPLOYMENTS, { validations, variables });
  t.deepEqual(status, { observedGeneration: 1, typeChecking: {} });
});

test('types that do not fit are said with the kind and the place', async (t) => {
  const validations = [
    { expression: "object.spec.replicas > '1'", messageExpression: "'got ' + object.spec.replicas" },
    { expression: 'object.spec.replica > 1' },
  ];
  const status = await statusOf('confused', DEPLOYMENTS, { validations });
  t.deepEqual(status?.typeChecking?.expressionWarnings, [
    {
      fieldRef: 'spec.validations[0].expression',
      warning:
        "apps/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '(int, string)'\n | object.spec.replicas > '1'\n | .....................^\n",
    },
    {
      fieldRef: 'spec.validations[0].messageExpression',
      warning:
        "apps/v1, Kind=Deployment: ERROR: <input>:1:8: found no matching overload for '_+_' applied to '(string, int)'\n | 'got ' + object.spec.replicas\n | .......^\n",
    },
    {
      fieldRef: 'spec.validations[1].expression',
      warning:
        "apps/v1, Kind=Deployment: ERROR: <input>:1:12: undefined field 'replica'\n | object.spec.replica > 1\n | ...........^\n",
    },
  ]);
});

test('each kind is looked at by itself, and wildcards are not', async (t) => {
  const validations = [{ expression: 'object.spec.replicas > 1' }];
  const both = {
    groups: ['apps'],
    versions: ['v1'],
    resources: ['deployments', 'daemonsets', 'deployments/scale'],
  };
  const status = await statusOf('several', both, { validations });
  const [warning] = status?.typeChecking?.expressionWarnings ?? [];
  t.regex(
    warning?.warning ?? '',
    /^apps\/v1, Kind=DaemonSet: ERROR: <input>:1:12: undefined field 'replicas'/,
  );
  t.notRegex(warning?.warning ?? '', /Deployment/);
  const all = await statusOf('all', { ...DEPLOYMENTS, groups: ['*'] }, { validations });
  t.deepEqual(all?.typeChecking, {});
});

test('parameters have the types of their kind', async (t) => {
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' };
  const validations = [{ expression: "params.data['a'] == object.spec.replicas" }];
  const status = await statusOf('parameters', DEPLOYMENTS, { paramKind, validations });
  const [warning] = status?.typeChecking?.expressionWarnings ?? [];
  t.regex(warning?.warning ?? '', /'_==_' applied to '\(string, int\)'/);
});
