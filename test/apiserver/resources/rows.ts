import type { ExecutionContext, Macro } from 'ava';
import test from 'ava';
import type { KubeObject } from '../../../src/api/resource.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { silentLogger } from '../../../src/base/log.ts';
import { EscalationCheck } from '../../../src/apiserver/authz/escalation.ts';
import { RbacAuthorizer } from '../../../src/apiserver/authz/rbac-authorizer.ts';
import { RbacIndex } from '../../../src/apiserver/authz/rbac-index.ts';
import { fieldErrorText } from '../../../src/apiserver/field-error.ts';
import type { FieldError } from '../../../src/apiserver/field-error.ts';
import { parseRequestInfo } from '../../../src/apiserver/http/request-info.ts';
import type { ObjectStore } from '../../../src/apiserver/object-store.ts';
import type { RequestContext } from '../../../src/apiserver/request-context.ts';
import type { ResourceDefinition, StrategyContext } from '../../../src/apiserver/resource-definition.ts';
import { builtInResources } from '../../../src/apiserver/resources/all.ts';
import { ServiceNetwork } from '../../../src/apiserver/resources/core/service-network.ts';
import type { ResourceEnvironment } from '../../../src/apiserver/resources/environment.ts';
import { change } from '../../helpers/change.ts';

const index = new RbacIndex();
const rbac = new RbacAuthorizer(index);

const environment: ResourceEnvironment = {
  clock: systemClock,
  log: silentLogger,
  authorizer: rbac,
  escalation: new EscalationCheck(rbac, rbac, index),
  tokens: undefined,
  authenticateToken: () => Promise.resolve(undefined),
  apiAudiences: ['api'],
  checkStore: () => Promise.resolve(),
  serviceClusterIpRanges: ['10.96.0.0/12'],
  serviceNodePortRange: { from: 30000, to: 32767 },
  kubelets: undefined,
};

export const definitions: readonly ResourceDefinition[] = builtInResources(
  environment,
  new ServiceNetwork(environment),
);

export function definitionOf(resource: string, version?: string): ResourceDefinition {
  const [name, ...group] = resource.split('.');
  const found = definitions.find(
    ({ info }) =>
      info.resource === name &&
      info.group === group.join('.') &&
      (version === undefined || info.version === version),
  );
  if (!found) throw new Error(`no definition of ${resource}`);
  return found;
}

/** What strategies get; a member of system:masters asks. */
export const strategyContext: StrategyContext = {
  now: Date.parse('2026-01-02T03:04:05Z'),
  store: {} as ObjectStore,
  request: {
    user: { name: 'admin', groups: ['system:masters'], extra: {} },
    info: parseRequestInfo('PUT', '/api/v1/namespaces/default/pods/a', new URLSearchParams()),
    dryRun: true,
  } as unknown as RequestContext,
};

export type Changes = Record<string, unknown>;

function changed(base: KubeObject, changes: Changes): KubeObject {
  const object = JSON.parse(JSON.stringify(base)) as KubeObject;
  for (const [path, value] of Object.entries(changes)) change(object, path, value);
  return object;
}

/** The object as a create would store it, and what is wrong with it. */
export async function created(
  definition: ResourceDefinition,
  object: KubeObject,
): Promise<{ object: KubeObject; errors: FieldError[] }> {
  const { strategy } = definition;
  object.metadata = { uid: '11111111-2222-3333-4444-555555555555', ...object.metadata };
  strategy?.defaults?.(object);
  strategy?.prepareForCreate?.(object, strategyContext);
  const errors = (await strategy?.validateCreate?.(object, strategyContext)) ?? [];
  const name = object.metadata.name ?? '';
  const nameErrors = (strategy?.validateName?.(name, false) ?? []).map((detail): FieldError => ({
    type: 'FieldValueInvalid',
    field: 'metadata.name',
    badValue: name,
    detail,
  }));
  return { object, errors: [...nameErrors, ...errors] };
}

/** A row: what is changed in a valid object, and the errors in upstream's words. No errors: it must be valid. */
export function createRows(resource: string, base: KubeObject): Macro<[Changes, ...string[]]> {
  const definition = definitionOf(resource);
  return test.macro(async (t: ExecutionContext, changes: Changes, ...want: string[]) => {
    const { errors } = await created(definition, changed(base, changes));
    t.deepEqual(errors.map(fieldErrorText), want);
  });
}

/** The same for an update of the valid object; `part` names a subresource such as status. */
export function updateRows(
  resource: string,
  base: KubeObject,
  part?: string,
): Macro<[before: Changes, after: Changes, ...string[]]> {
  const definition = definitionOf(resource);
  return test.macro(async (t: ExecutionContext, before: Changes, after: Changes, ...want: string[]) => {
    const { strategy } = definition;
    const old = (await created(definition, changed(base, {}))).object;
    for (const [path, value] of Object.entries(before)) change(old, path, value);
    const now = changed(old, after);
    strategy?.defaults?.(now);
    const subresource = definition.subresources?.find((one) => one.name === part && one.type === 'part');
    const rules = subresource?.type === 'part' ? subresource : strategy;
    rules?.prepareForUpdate?.(now, old, strategyContext);
    const errors = (await rules?.validateUpdate?.(now, old, strategyContext)) ?? [];
    // Whatever follows the first line is a difference that nobody matches on.
    const first = errors.map((error) => fieldErrorText(error).split('\n')[0] ?? '');
    t.deepEqual(first, want);
  });
}

/** What defaulting fills in: the paths and values that must be there afterwards. */
export function defaultRows(resource: string, base: KubeObject, version?: string): Macro<[Changes, Changes]> {
  const definition = definitionOf(resource, version);
  return test.macro((t: ExecutionContext, changes: Changes, want: Changes) => {
    const object = changed(base, changes);
    definition.strategy?.defaults?.(object);
    for (const [path, value] of Object.entries(want)) t.deepEqual(read(object, path), value, path);
    const once = JSON.stringify(object);
    definition.strategy?.defaults?.(object);
    t.is(JSON.stringify(object), once, 'defaulting twice changes nothing more');
  });
}

export function read(object: unknown, path: string): unknown {
  let at = object;
  for (const key of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    if (typeof at !== 'object' || at === null) return undefined;
    at = (at as Record<string, unknown>)[key];
  }
  return at;
}
