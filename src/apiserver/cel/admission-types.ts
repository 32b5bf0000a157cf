import type { Environment } from '../../cel/environment.ts';
import type { EnvironmentOptions } from '../../cel/environment.ts';
import { ObjectTypes } from '../../cel/object-types.ts';
import * as t from '../../cel/types.ts';
import { AUTHORIZER_TYPE, RESOURCE_CHECK_TYPE } from './authorizer.ts';
import { BASE_ENVIRONMENT } from './base-environment.ts';

/** The object types that expressions of admission know. Mirrors apiserver pkg/admission/plugin/cel/compile.go. */
const TYPES = new ObjectTypes();
const STRINGS = t.listOf(t.STRING);
const STRING_MAP = t.mapOf(t.STRING, t.STRING);

const KIND = TYPES.declare('kubernetes.GroupVersionKind', {
  group: t.STRING,
  version: t.STRING,
  kind: t.STRING,
});
const RESOURCE = TYPES.declare('kubernetes.GroupVersionResource', {
  group: t.STRING,
  version: t.STRING,
  resource: t.STRING,
});
const USER = TYPES.declare('kubernetes.UserInfo', {
  username: t.STRING,
  uid: t.STRING,
  groups: STRINGS,
  extra: t.mapOf(t.STRING, STRINGS),
});
const REQUEST = TYPES.declare('kubernetes.AdmissionRequest', {
  kind: KIND,
  resource: RESOURCE,
  subResource: t.STRING,
  requestKind: KIND,
  requestResource: RESOURCE,
  requestSubResource: t.STRING,
  name: t.STRING,
  namespace: t.STRING,
  operation: t.STRING,
  userInfo: USER,
  dryRun: t.BOOL,
  options: t.DYN,
});

const NAMESPACE_CONDITION = TYPES.declare('kubernetes.NamespaceCondition', {
  status: t.STRING,
  type: t.STRING,
  lastTransitionTime: t.TIMESTAMP,
  message: t.STRING,
  reason: t.STRING,
});
const NAMESPACE = TYPES.declare('kubernetes.Namespace', {
  metadata: TYPES.declare('kubernetes.NamespaceMetadata', {
    name: t.STRING,
    generateName: t.STRING,
    namespace: t.STRING,
    labels: STRING_MAP,
    annotations: STRING_MAP,
    UID: t.STRING,
    creationTimestamp: t.TIMESTAMP,
    deletionGracePeriodSeconds: t.INT,
    deletionTimestamp: t.TIMESTAMP,
    generation: t.INT,
    resourceVersion: t.STRING,
    finalizers: STRINGS,
  }),
  spec: TYPES.declare('kubernetes.NamespaceSpec', { finalizers: STRINGS }),
  status: TYPES.declare('kubernetes.NamespaceStatus', {
    conditions: t.listOf(NAMESPACE_CONDITION),
    phase: t.STRING,
  }),
});

export interface AdmissionDeclarations {
  readonly hasParams: boolean;
  readonly hasAuthorizer: boolean;
}

type More = Partial<Pick<EnvironmentOptions, 'functions' | 'variables' | 'provider'>>;

const SHARED: Environment = BASE_ENVIRONMENT.extend({
  variables: { object: t.DYN, oldObject: t.DYN, namespaceObject: NAMESPACE, request: REQUEST },
  provider: TYPES,
});

/** What an expression of admission may use; `more` declares types of the objects, variables and the like. */
export function admissionEnvironment(declarations: AdmissionDeclarations, more: More = {}): Environment {
  const variables = {
    ...(declarations.hasParams ? { params: t.DYN } : {}),
    ...(declarations.hasAuthorizer
      ? { authorizer: AUTHORIZER_TYPE, 'authorizer.requestResource': RESOURCE_CHECK_TYPE }
      : {}),
    ...more.variables,
  };
  return SHARED.extend({ ...more, variables });
}
