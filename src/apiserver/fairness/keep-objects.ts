import { FLOWSCHEMAS, PRIORITYLEVELCONFIGURATIONS } from '../../api/gen/resources.ts';
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/gen/types/flowcontrol-v1.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { rfc3339 } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import type { ObjectStore } from '../object-store.ts';
import {
  AUTO_UPDATE,
  MANDATORY_LEVELS,
  MANDATORY_SCHEMAS,
  SUGGESTED_LEVELS,
  SUGGESTED_SCHEMAS,
} from '../resources/flowcontrol/bootstrap-objects.ts';
import { sameJson } from '../resources/validation/checks.ts';
import { StatusError } from '../status-errors.ts';

type WithSpec = KubeObject & { spec?: unknown };

/**
 * Makes the objects of priority and fairness that every cluster has, brings those back that nobody took over, and says
 * of each FlowSchema whether its level is there. Mirrors pkg/registry/flowcontrol/ensurer.
 */
export async function keepFairnessObjects(store: ObjectStore, clock: Clock): Promise<void> {
  await keep(store, PRIORITYLEVELCONFIGURATIONS, MANDATORY_LEVELS, true);
  await keep(store, FLOWSCHEMAS, MANDATORY_SCHEMAS, true);
  await keep(store, PRIORITYLEVELCONFIGURATIONS, SUGGESTED_LEVELS, false);
  await keep(store, FLOWSCHEMAS, SUGGESTED_SCHEMAS, false);
  const levels = new Set(
    (await store.list(PRIORITYLEVELCONFIGURATIONS)).map(({ metadata }) => metadata?.name ?? ''),
  );
  for (const schema of await store.list(FLOWSCHEMAS)) await keepStatus(store, schema, levels, clock);
}

async function keep<T extends FlowSchema | PriorityLevelConfiguration>(
  store: ObjectStore,
  resource: ResourceInfo<T>,
  objects: readonly T[],
  mandatory: boolean,
): Promise<void> {
  for (const wanted of objects) {
    const name = wanted.metadata?.name ?? '';
    const found = await store.getFresh(resource, name);
    if (!found) {
      await create(store, resource, wanted);
      continue;
    }
    if (!needsUpdate(found, wanted, mandatory)) continue;
    await store.update(resource, name, undefined, (current) =>
      needsUpdate(current, wanted, mandatory)
        ? { ...current, spec: specOf(current, wanted), metadata: annotated(current) }
        : undefined,
    );
  }
}

async function create<T extends KubeObject>(
  store: ObjectStore,
  resource: ResourceInfo<T>,
  object: T,
): Promise<void> {
  try {
    await store.create(resource, object);
  } catch (error) {
    // Another server was faster.
    if (!(error instanceof StatusError) || error.reason !== 'AlreadyExists') throw error;
  }
}

/** People take a suggested object over by changing it, or by saying so in its annotation. */
function needsUpdate(found: WithSpec, wanted: WithSpec, mandatory: boolean): boolean {
  const said = found.metadata?.annotations?.[AUTO_UPDATE];
  const automatic = mandatory || said === 'true' || (said === undefined && found.metadata?.generation === 1);
  if (!automatic) return false;
  return said !== 'true' || !sameJson(found.spec, specOf(found, wanted));
}

/** What people may set of the exempt level stays as they set it. */
function specOf(found: WithSpec, wanted: WithSpec): unknown {
  if (wanted.kind !== 'PriorityLevelConfiguration' || wanted.metadata?.name !== 'exempt') return wanted.spec;
  return { ...(wanted.spec as object), ...pick(found.spec as { exempt?: object } | undefined) };
}

const pick = (spec: { exempt?: object } | undefined): object => (spec?.exempt ? { exempt: spec.exempt } : {});

function annotated<T extends KubeObject>({ metadata }: T): T['metadata'] {
  return { ...metadata, annotations: { ...metadata?.annotations, [AUTO_UPDATE]: 'true' } };
}

async function keepStatus(
  store: ObjectStore,
  schema: FlowSchema,
  levels: ReadonlySet<string>,
  clock: Clock,
): Promise<void> {
  const level = schema.spec?.priorityLevelConfiguration?.name ?? '';
  const found = levels.has(level);
  const references = `This FlowSchema references the PriorityLevelConfiguration object named ${JSON.stringify(level)}`;
  const wanted = {
    type: 'Dangling',
    status: found ? 'False' : 'True',
    reason: found ? 'Found' : 'NotFound',
    message: `${references} ${found ? 'and it exists' : 'but there is no such object'}`,
  };
  const isRight = ({ status }: FlowSchema): boolean =>
    status?.conditions?.some((one) =>
      Object.entries(wanted).every(([field, value]) => one[field as keyof typeof one] === value),
    ) ?? false;
  if (isRight(schema)) return;
  const at = rfc3339(clock.now());
  try {
    await store.update(FLOWSCHEMAS, schema.metadata?.name ?? '', undefined, (current) => {
      if (isRight(current)) return undefined;
      const others = (current.status?.conditions ?? []).filter(({ type }) => type !== 'Dangling');
      const conditions = [...others, { ...wanted, lastTransitionTime: at }];
      return { ...current, status: { ...current.status, conditions } };
    });
  } catch (error) {
    // It was deleted meanwhile.
    if (!(error instanceof StatusError) || error.reason !== 'NotFound') throw error;
  }
}
