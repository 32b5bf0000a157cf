import type { KubeObject } from '../../api/resource.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { sameJson } from '../resources/validation/checks.ts';

/** Whether the kind's objects have a metadata.generation. */
export function countsGeneration(definition: ResourceDefinition, object: KubeObject): boolean {
  const rule = definition.strategy?.generation;
  if (rule !== undefined) return rule !== false;
  return 'spec' in object && (definition.subresources?.some((sub) => sub.name === 'status') ?? false);
}

/** Whether an update makes a new generation. */
export function bumpsGeneration(
  definition: ResourceDefinition,
  object: KubeObject,
  old: KubeObject,
): boolean {
  if (!countsGeneration(definition, object) && !countsGeneration(definition, old)) return false;
  const rule = definition.strategy?.generation;
  if (typeof rule === 'function') return rule(object, old);
  if (rule === false) return false;
  return !sameJson(desired(object), desired(old));
}

/** What the user asked for: everything but metadata and status. */
function desired(object: KubeObject): unknown {
  const { metadata: _metadata, status: _status, ...rest } = object as KubeObject & { status?: unknown };
  return rest;
}
