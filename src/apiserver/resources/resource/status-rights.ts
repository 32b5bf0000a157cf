import type { AllocatedDeviceStatus, ResourceClaim } from '../../../api/gen/types/resource-v1.ts';
import type { Authorizer } from '../../authorization.ts';
import { authorizationAttributes } from '../../authorization-attributes.ts';
import { NODE_NAME_KEY } from '../../authn/service-account-tokens.ts';
import { forbiddenError } from '../../authz/forbidden.ts';
import { forbidden } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { RequestContext, UserInfo } from '../../request-context.ts';
import { sameJson } from '../validation/checks.ts';

type Status = NonNullable<ResourceClaim['status']>;

/**
 * Who may write a claim's status may not write all of it: allocations need the right to bind, what a driver says of its
 * devices the right to speak for that driver. Mirrors AuthorizedForBinding and AuthorizedForDeviceStatus of
 * pkg/registry/resource/utils.go.
 */
export async function checkStatusRights(
  claim: ResourceClaim,
  old: ResourceClaim,
  request: RequestContext,
  authorizer: Authorizer,
): Promise<FieldError[]> {
  const now: Partial<Status> = claim.status ?? {};
  const before: Partial<Status> = old.status ?? {};
  const ask = async (verb: string, subresource: string, namespace: string, name: string) => {
    const info = { ...request.info, verb, subresource, namespace, name };
    const attributes = authorizationAttributes(info, request.user);
    const { decision, reason } = await authorizer.authorize(attributes);
    return decision === 'allow' ? undefined : forbiddenError(attributes, reason).message;
  };
  const errors: FieldError[] = [];
  const { verb } = request.info;
  if (!sameJson(now.allocation, before.allocation) || !sameJson(now.reservedFor, before.reservedFor)) {
    const why = await ask(verb, 'binding', '', '');
    if (why !== undefined) {
      const what = 'changing status.allocation or status.reservedFor requires';
      errors.push(
        forbidden(
          'status.allocation',
          `${what} resource="resourceclaims/binding", verb="${verb}" permission: ${why}`,
        ),
      );
    }
  }
  if (now.allocation === undefined) return errors;
  const verbs = [
    ...(isOfNode(request.user, nodeOf(now)) ? [`associated-node:${verb}`] : []),
    `arbitrary-node:${verb}`,
  ];
  for (const driver of changedDrivers(now.devices ?? [], before.devices ?? [])) {
    let first: string | undefined;
    let isAllowed = false;
    for (const each of verbs) {
      const why = await ask(each, 'driver', claim.metadata?.namespace ?? '', driver);
      isAllowed ||= why === undefined;
      first ??= why;
      if (isAllowed) break;
    }
    if (isAllowed) continue;
    const what = `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]"`;
    errors.push(forbidden('status.devices', `${what} permission: ${first}`));
  }
  return errors;
}

/** In order; of entries that came, went or changed. */
function changedDrivers(
  now: readonly AllocatedDeviceStatus[],
  before: readonly AllocatedDeviceStatus[],
): string[] {
  const keyOf = ({ driver, pool, device, shareID = '' }: AllocatedDeviceStatus) =>
    JSON.stringify([driver, pool, device, shareID]);
  const old = new Map(before.map((device) => [keyOf(device), device]));
  const changed = new Set<string>();
  for (const device of now) {
    if (!sameJson(old.get(keyOf(device)), device)) changed.add(device.driver ?? '');
    old.delete(keyOf(device));
  }
  for (const { driver } of old.values()) changed.add(driver ?? '');
  return [...changed].sort();
}

/** The one node that an allocation is for; undefined where it names none, or several. */
function nodeOf({ allocation }: Partial<Status>): string | undefined {
  const [term, ...more] = allocation?.nodeSelector?.nodeSelectorTerms ?? [];
  if (!term || more.length > 0 || term.matchExpressions?.length) return undefined;
  const [field, ...others] = term.matchFields ?? [];
  if (field?.key !== 'metadata.name' || field.operator !== 'In' || others.length > 0) return undefined;
  return field.values?.length === 1 ? field.values[0] : undefined;
}

/** A service account whose token is bound to a pod of that node. */
function isOfNode({ name, extra }: UserInfo, node: string | undefined): boolean {
  const nodes = extra[NODE_NAME_KEY] ?? [];
  const isAccount = /^system:serviceaccount:[^:]+:[^:]+$/.test(name);
  return isAccount && node !== undefined && nodes.length === 1 && nodes[0] === node;
}
