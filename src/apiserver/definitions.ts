import { ALL_RESOURCES } from '../api/gen/resources.ts';
import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import { schemaForKind } from '../api/schema.ts';
import type { ResourceDefinition, ResourceStrategy } from './resource-definition.ts';
import { pathSegmentProblems } from './registry/object-meta.ts';
import { keepAllButStatus, takeStatus } from './registry/update.ts';

/** Kinds that only a handler of their own can answer: never stored, so there is no generic way. */
const NEVER_STORED: ReadonlySet<string> = new Set([
  '/bindings',
  '/componentstatuses',
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);

/** The given definitions, and a schema-driven one for every built-in kind that has none of its own. */
export function withGenericDefinitions(own: readonly ResourceDefinition[]): ResourceDefinition[] {
  const known = new Set(own.map(({ info }) => pathOf(info)));
  const generic = ALL_RESOURCES.filter(
    (info) => !known.has(pathOf(info)) && !NEVER_STORED.has(`${info.group}/${info.resource}`),
  );
  return [...own, ...generic.map(genericDefinition)];
}

function pathOf(info: ResourceInfo): string {
  return `${info.group}/${info.version}/${info.resource}`;
}

/** What the schema alone tells: a kind with spec and status has a status subresource. */
export function genericDefinition(info: ResourceInfo): ResourceDefinition {
  const fields = schemaForKind(info.group, info.version, info.kind)?.fields;
  // Names of roles hold colons; they need only be one segment of a path.
  if (info.group === 'rbac.authorization.k8s.io') {
    return { info, strategy: { validateName: (name) => pathSegmentProblems(name) } };
  }
  if (!fields?.has('status')) return { info };
  const strategy: ResourceStrategy<KubeObject> = {
    prepareForCreate: (object) => {
      delete (object as { status?: unknown }).status;
    },
    prepareForUpdate: takeStatus,
  };
  return {
    info,
    strategy,
    subresources: [{ type: 'part', name: 'status', prepareForUpdate: keepAllButStatus }],
  };
}
