import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import type { FieldError } from '../field-error.ts';
import type { ResourceDefinition, StatusSubresource, StrategyContext } from '../resource-definition.ts';

/** A definition of any kind among others: gives the type of the objects up. */
export function define<T extends KubeObject>(
  info: ResourceInfo<T>,
  rest: Omit<ResourceDefinition<NoInfer<T>>, 'info'> = {},
): ResourceDefinition {
  const definition = { info, ...rest } as unknown as ResourceDefinition;
  const spec = schemaForKind(info.group, info.version, info.kind)?.fields.get('spec');
  if (definition.virtual || spec?.schema.kind !== 'message') return definition;
  const { strategy } = definition;
  return {
    ...definition,
    strategy: {
      ...strategy,
      // Upstream's spec is a part of the object: it is there, empty, when the client sends none.
      defaults(object) {
        (object as { spec?: unknown }).spec ??= {};
        strategy?.defaults?.(object);
      },
    },
  };
}

/** `/status` of a kind, with the rules for its update. */
export function statusOf<T extends KubeObject>(
  validateUpdate?: (object: T, old: T, context: StrategyContext) => FieldError[] | Promise<FieldError[]>,
): StatusSubresource<T> {
  return validateUpdate ? { type: 'part', name: 'status', validateUpdate } : { type: 'part', name: 'status' };
}

const NOT_OF_STATUS = [
  'deletionTimestamp',
  'generation',
  'labels',
  'annotations',
  'finalizers',
  'ownerReferences',
] as const;

/** As statusOf, for kinds whose metadata cannot be changed together with the status. Mirrors ResetObjectMetaForStatus of apimachinery. */
export function bareStatusOf<T extends KubeObject>(
  validateUpdate?: (object: T, old: T, context: StrategyContext) => FieldError[] | Promise<FieldError[]>,
): StatusSubresource<T> {
  return {
    ...statusOf(validateUpdate),
    prepareForUpdate(object, old) {
      const target = object as Record<string, unknown>;
      for (const name of Object.keys(target)) {
        if (name !== 'status' && name !== 'metadata') delete target[name];
      }
      for (const [name, value] of Object.entries(old)) {
        if (name !== 'status' && name !== 'metadata') target[name] = value;
      }
      const metadata: Record<string, unknown> = { ...object.metadata };
      for (const name of NOT_OF_STATUS) {
        delete metadata[name];
        if (old.metadata?.[name] !== undefined) metadata[name] = old.metadata[name];
      }
      object.metadata = metadata;
    },
  };
}

interface WithStatus extends KubeObject {
  status?: unknown;
}

/** The usual treatment of status: users cannot set it at create, nor change it in an update of the whole. */
export const statusStrategy = {
  prepareForCreate(object: KubeObject): void {
    delete (object as WithStatus).status;
  },
  prepareForUpdate(object: KubeObject, old: KubeObject): void {
    const before = (old as WithStatus).status;
    if (before === undefined) delete (object as WithStatus).status;
    else (object as WithStatus).status = before;
  },
};
