import { ALL_RESOURCES } from '../api/gen/resources.ts';
import type { KubeObject, ResourceInfo } from '../api/resource.ts';
import { schemaForKind } from '../api/schema.ts';
import type { ResourceDefinition, ResourceStrategy } from './resource-definition.ts';
import type { ResourceTable } from './registry/resource-table.ts';
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

/** Schema-driven definitions of the built-in kinds that the table does not hold yet. */
export function genericDefinitions(table: ResourceTable): ResourceDefinition[] {
  return ALL_RESOURCES.filter(
    ({ group, version, resource }) =>
      !table.find(group, version, resource) && !NEVER_STORED.has(`${group}/${resource}`),
  ).map(genericDefinition);
}

/** What the schema alone tells: a kind with spec and status has a status subresource. */
export function genericDefinition(info: ResourceInfo): ResourceDefinition {
  const fields = schemaForKind(info.group, info.version, info.kind)?.fields;
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
