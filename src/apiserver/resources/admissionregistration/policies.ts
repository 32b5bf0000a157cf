import {
  MUTATINGADMISSIONPOLICIES,
  MUTATINGADMISSIONPOLICYBINDINGS,
  VALIDATINGADMISSIONPOLICIES,
  VALIDATINGADMISSIONPOLICYBINDINGS,
} from '../../../api/gen/resources.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  ParamKind,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import type { LabelSelector } from '../../../api/gen/types/meta-v1.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { child, duplicate, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ResourceDefinition, StrategyContext } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusStrategy } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { sameJson } from '../validation/checks.ts';
import { dnsSubdomain } from '../validation/formats.ts';
import {
  defaultMatchResources,
  validateMatchResources,
  validateMutatingOperations,
  validateParamRef,
} from './match-resources.ts';
import { validateMutatingSpec, validateValidatingSpec } from './policy-rules.ts';

const EXTENSIONS = ['api-extensions'] as const;
const ACTIONS = ['Audit', 'Deny', 'Warn'];

interface Policy extends KubeObject {
  spec?: { paramKind?: ParamKind };
}

/** Whoever makes a policy read parameters must be allowed to read them. Mirrors pkg/registry/…/authz.go. */
async function authorizeParamKind(
  policy: Policy,
  old: Policy | undefined,
  { request }: StrategyContext,
  { authorizer }: ResourceEnvironment,
): Promise<FieldError[]> {
  const kind = policy.spec?.paramKind;
  if (!kind || (old && sameJson(old.spec?.paramKind, kind))) return [];
  const { user } = request;
  if (user.groups.includes('system:masters')) return [];
  const { apiVersion = '', kind: name = '' } = kind;
  const slash = apiVersion.indexOf('/');
  const { decision } = await authorizer.authorize({
    user,
    verb: 'get',
    isResourceRequest: true,
    group: slash < 0 ? '' : apiVersion.slice(0, slash),
    version: apiVersion.slice(slash + 1),
    resource: '*',
    subresource: '',
    namespace: '*',
    name: '*',
    path: '',
  });
  if (decision === 'allow') return [];
  const why = `user ${user.name} must have "get" permission on all objects of the referenced paramKind (kind=${name}, apiVersion=${apiVersion})`;
  return [forbidden('spec.paramKind', why)];
}

const validationsColumn = column<ValidatingAdmissionPolicy>(
  'Validations',
  'integer',
  ({ spec }) => spec?.validations?.length ?? 0,
);
const paramKindCell = ({ spec }: Policy): string =>
  spec?.paramKind ? `${spec.paramKind.apiVersion ?? ''}/${spec.paramKind.kind ?? ''}` : '<unset>';

export const validatingadmissionpolicies = (environment: ResourceEnvironment): ResourceDefinition => {
  const validate = async (
    policy: ValidatingAdmissionPolicy,
    old: ValidatingAdmissionPolicy | undefined,
    context: StrategyContext,
  ): Promise<FieldError[]> => {
    const errors = validateValidatingSpec(policy.spec ?? {}, policy.metadata?.name ?? '', old?.spec);
    return errors.length > 0 ? errors : authorizeParamKind(policy, old, context, environment);
  };
  return define(VALIDATINGADMISSIONPOLICIES, {
    categories: EXTENSIONS,
    strategy: {
      anyFinalizer: true,
      ...statusStrategy,
      allowUnconditionalUpdate: false,
      defaults: ({ spec = {} }) => {
        spec.failurePolicy ??= 'Fail';
        defaultMatchResources(spec.matchConstraints);
      },
      validateCreate: (policy, context) => validate(policy, undefined, context),
      validateUpdate: (policy, old, context) => validate(policy, old, context),
    },
    subresources: [{ type: 'part', name: 'status', validateUpdate: validateStatus }],
    columns: [
      nameColumn(),
      validationsColumn,
      column<Policy>('ParamKind', 'string', paramKindCell),
      ageColumn(),
    ],
  });
};

function validateStatus({ status }: ValidatingAdmissionPolicy): FieldError[] {
  const errors: FieldError[] = [];
  for (const [index, { fieldRef, warning }] of (status?.typeChecking?.expressionWarnings ?? []).entries()) {
    const path = `status.typeChecking.expressionWarnings[${index}]`;
    if (!warning) errors.push(required(child(path, 'warning')));
    if (!(fieldRef ?? '').trim()) errors.push(required(child(path, 'fieldRef')));
  }
  return errors;
}

export const mutatingadmissionpolicies = (environment: ResourceEnvironment): ResourceDefinition => {
  const validate = async (
    policy: MutatingAdmissionPolicy,
    old: MutatingAdmissionPolicy | undefined,
    context: StrategyContext,
  ): Promise<FieldError[]> => {
    const errors = validateMutatingSpec(policy.spec ?? {}, old?.spec);
    return errors.length > 0 ? errors : authorizeParamKind(policy, old, context, environment);
  };
  return define(MUTATINGADMISSIONPOLICIES, {
    categories: EXTENSIONS,
    strategy: {
      anyFinalizer: true,
      allowUnconditionalUpdate: false,
      generation: true,
      defaults: ({ spec = {} }) => {
        spec.failurePolicy ??= 'Fail';
        defaultMatchResources(spec.matchConstraints);
      },
      validateCreate: (policy, context) => validate(policy, undefined, context),
      validateUpdate: (policy, old, context) => validate(policy, old, context),
    },
    columns: [
      nameColumn(),
      column<MutatingAdmissionPolicy>('Mutations', 'integer', ({ spec }) => spec?.mutations?.length ?? 0),
      column<Policy>('ParamKind', 'string', paramKindCell),
      ageColumn(),
    ],
  });
};

interface Binding extends KubeObject {
  spec?: BindingSpec;
}

interface BindingSpec {
  policyName?: string;
  paramRef?: NonNullable<ValidatingAdmissionPolicyBinding['spec']>['paramRef'];
  matchResources?: NonNullable<ValidatingAdmissionPolicyBinding['spec']>['matchResources'];
}

function validateBinding({ policyName = '', paramRef, matchResources }: BindingSpec): FieldError[] {
  const errors: FieldError[] = [];
  if (policyName === '') errors.push(required('spec.policyName'));
  else
    for (const problem of dnsSubdomain(policyName))
      errors.push(invalid('spec.policyName', policyName, problem));
  errors.push(...validateParamRef('spec.paramRef', paramRef));
  return [...errors, ...validateMatchResources('spec.matchResources', matchResources)];
}

function validateActions(actions: readonly string[]): FieldError[] {
  const path = 'spec.validationActions';
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, action] of actions.entries()) {
    if (!ACTIONS.includes(action)) errors.push(notSupported(`${path}[${index}]`, action, ACTIONS));
    if (seen.has(action)) errors.push(duplicate(`${path}[${index}]`, action));
    seen.add(action);
  }
  if (seen.has('Deny') && seen.has('Warn')) {
    const why =
      'must not contain both Deny and Warn (repeating the same validation failure information in the API response and headers serves no purpose)';
    errors.push(invalid(path, actions, why));
  }
  if (seen.size === 0) errors.push(required(path, 'at least one validation action is required'));
  return errors;
}

const policyNameColumn = column<Binding>('PolicyName', 'string', ({ spec }) => spec?.policyName ?? '');
const paramRefColumn = column<Binding>('ParamRef', 'string', ({ spec }) => {
  const ref = spec?.paramRef;
  if (!ref) return '<unset>';
  if (!ref.name) return ref.selector ? selectorText(ref.selector) : '<unset>';
  return ref.namespace ? `${ref.namespace}/${ref.name}` : `*/${ref.name}`;
});

/** As Go prints the struct. */
function selectorText({ matchLabels = {}, matchExpressions = [] }: LabelSelector): string {
  const labels = Object.entries(matchLabels)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}: ${value},`);
  const expressions = matchExpressions.map(
    ({ key, operator, values = [] }) =>
      `LabelSelectorRequirement{Key:${key},Operator:${operator},Values:[${values.join(' ')}],},`,
  );
  return `&LabelSelector{MatchLabels:map[string]string{${labels.join('')}},MatchExpressions:[]LabelSelectorRequirement{${expressions.join('')}},}`;
}

export const validatingadmissionpolicybindings: ResourceDefinition = define(
  VALIDATINGADMISSIONPOLICYBINDINGS,
  {
    categories: EXTENSIONS,
    strategy: {
      anyFinalizer: true,
      allowUnconditionalUpdate: false,
      generation: true,
      defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
      validateCreate: validateValidatingBinding,
      validateUpdate: validateValidatingBinding,
    },
    columns: [nameColumn(), policyNameColumn, paramRefColumn, ageColumn()],
  },
);

function validateValidatingBinding({ spec = {} }: ValidatingAdmissionPolicyBinding): FieldError[] {
  return [...validateBinding(spec), ...validateActions(spec.validationActions ?? [])];
}

export const mutatingadmissionpolicybindings: ResourceDefinition = define(MUTATINGADMISSIONPOLICYBINDINGS, {
  categories: EXTENSIONS,
  strategy: {
    anyFinalizer: true,
    allowUnconditionalUpdate: false,
    generation: true,
    defaults: ({ spec }) => defaultMatchResources(spec?.matchResources),
    validateCreate: validateMutatingBinding,
    validateUpdate: validateMutatingBinding,
  },
  columns: [nameColumn(), policyNameColumn, paramRefColumn, ageColumn()],
});

function validateMutatingBinding({ spec = {} }: MutatingAdmissionPolicyBinding): FieldError[] {
  return [
    ...validateBinding(spec),
    ...validateMutatingOperations('spec.matchResources', spec.matchResources),
  ];
}
