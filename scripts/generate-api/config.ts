/** What the generator reads: one Go package with a generated.proto, and where its facts go. */
export interface PackageConfig {
  readonly module: string;
  /** Folder inside the module. */
  readonly folder: string;
  /** API group; '' for core, undefined where the package serves no resources of its own. */
  readonly group: string | undefined;
  readonly version: string;
  /** Key in schema tables and the name of the output files: 'core-v1'. */
  readonly key: string;
  /** Only these types (and what they refer to) are taken; all where absent. */
  readonly only?: readonly string[];
}

export const MODULES: Readonly<Record<string, string>> = {
  'k8s.io/api': 'v0.36.0',
  'k8s.io/apimachinery': 'v0.36.0',
  'k8s.io/apiextensions-apiserver': 'v0.36.0',
  'k8s.io/kube-aggregator': 'v0.36.0',
  'k8s.io/metrics': 'v0.36.0',
  'k8s.io/cri-api': 'v0.36.0',
};

function api(folder: string, group: string): PackageConfig {
  const [first = '', version = ''] = folder.split('/');
  return { module: 'k8s.io/api', folder, group, version, key: `${first}-${version}` };
}

/** The groups and versions that Kubernetes 1.36 serves by default (see pkg/controlplane/instance.go). */
export const PACKAGES: readonly PackageConfig[] = [
  {
    module: 'k8s.io/apimachinery',
    folder: 'pkg/apis/meta/v1',
    group: undefined,
    version: 'v1',
    key: 'meta-v1',
  },
  api('core/v1', ''),
  api('admission/v1', 'admission.k8s.io'),
  api('admissionregistration/v1', 'admissionregistration.k8s.io'),
  api('apidiscovery/v2', 'apidiscovery.k8s.io'),
  api('apps/v1', 'apps'),
  api('authentication/v1', 'authentication.k8s.io'),
  api('authorization/v1', 'authorization.k8s.io'),
  api('autoscaling/v1', 'autoscaling'),
  api('autoscaling/v2', 'autoscaling'),
  api('batch/v1', 'batch'),
  api('certificates/v1', 'certificates.k8s.io'),
  api('coordination/v1', 'coordination.k8s.io'),
  api('discovery/v1', 'discovery.k8s.io'),
  api('events/v1', 'events.k8s.io'),
  api('flowcontrol/v1', 'flowcontrol.apiserver.k8s.io'),
  api('networking/v1', 'networking.k8s.io'),
  api('node/v1', 'node.k8s.io'),
  api('policy/v1', 'policy'),
  api('rbac/v1', 'rbac.authorization.k8s.io'),
  api('resource/v1', 'resource.k8s.io'),
  api('scheduling/v1', 'scheduling.k8s.io'),
  api('storage/v1', 'storage.k8s.io'),
  {
    module: 'k8s.io/apiextensions-apiserver',
    folder: 'pkg/apis/apiextensions/v1',
    group: 'apiextensions.k8s.io',
    version: 'v1',
    key: 'apiextensions-v1',
  },
  {
    module: 'k8s.io/kube-aggregator',
    folder: 'pkg/apis/apiregistration/v1',
    group: 'apiregistration.k8s.io',
    version: 'v1',
    key: 'apiregistration-v1',
  },
  {
    module: 'k8s.io/metrics',
    folder: 'pkg/apis/metrics/v1beta1',
    group: 'metrics.k8s.io',
    version: 'v1beta1',
    key: 'metrics-v1beta1',
  },
];

/** Kinds with a generated client that are subresources, not resources of their own. */
export const NOT_RESOURCES: ReadonlySet<string> = new Set(['Scale', 'Eviction', 'TokenRequest']);

/** Resources without a generated client. */
export const ALSO_RESOURCES: ReadonlySet<string> = new Set(['Binding']);

/** Plurals that the rule does not give. */
export const PLURALS: Readonly<Record<string, string>> = { Endpoints: 'endpoints' };

/** Go types whose JSON form is not that of their fields, by 'import path.Name'. */
export const SPECIAL_TYPES: Readonly<Record<string, string>> = {
  'k8s.io/apimachinery/pkg/apis/meta/v1.Time': 'time',
  'k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime': 'microTime',
  'k8s.io/apimachinery/pkg/apis/meta/v1.Duration': 'duration',
  'k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1': 'fieldsV1',
  'k8s.io/apimachinery/pkg/api/resource.Quantity': 'quantity',
  'k8s.io/apimachinery/pkg/util/intstr.IntOrString': 'intOrString',
  'k8s.io/apimachinery/pkg/runtime.RawExtension': 'rawExtension',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSON': 'json',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrArray': 'schemaOrArray',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrBool': 'schemaOrBool',
  'k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1.JSONSchemaPropsOrStringArray': 'schemaOrStrings',
};
