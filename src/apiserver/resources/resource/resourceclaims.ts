import { RESOURCECLAIMS, RESOURCECLAIMTEMPLATES } from '../../../api/gen/resources.ts';
import type { ResourceClaim, ResourceClaimTemplate } from '../../../api/gen/types/resource-v1.ts';
import { forbidden, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { validateNodeSelector } from '../core/pod-spec/scheduling.ts';
import { bareStatusOf, define, statusStrategy } from '../define.ts';
import { checkEnum, checkFormat, checkImmutable, checkLabels } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel } from '../validation/formats.ts';
import { checkDriverName } from '../storage/driver-name.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { checkStatusRights } from './status-rights.ts';
import { checkAdminAccess, checkAdminStatus } from './admin-access.ts';
import { checkClaimSpec, checkRequestRef, defaultClaimDevices, requestNames } from './claim-rules.ts';
import { checkConfiguration, checkDistinct, checkItems, checkPoolName } from './device-rules.ts';

function validate({ spec }: ResourceClaim): FieldError[] {
  const errors: Errors = [];
  checkClaimSpec(errors, 'spec', spec);
  return errors;
}

/** What a device, or a share of one, is told from others by. */
function sharedId(one: { driver?: string; pool?: string; device?: string; shareID?: string }): string {
  return [one.driver, one.pool, one.device, one.shareID].filter(Boolean).join('/');
}

/** Mirrors validateResourceClaimStatusUpdate of pkg/apis/resource/validation/validation.go. */
function validateStatus({ metadata, spec, status }: ResourceClaim, old: ResourceClaim): FieldError[] {
  const errors: Errors = [];
  const { reservedFor, allocation, devices } = status ?? {};
  const check = (ref: NonNullable<typeof reservedFor>[number], here: string) => {
    for (const field of ['resource', 'name', 'uid'] as const) {
      if (!ref[field]) errors.push(required(`${here}.${field}`));
    }
  };
  checkDistinct(errors, 'status.reservedFor', reservedFor, 256, check, ({ uid }) => uid);
  const allocated = new Set((allocation?.devices?.results ?? []).map(sharedId));
  checkDistinct(
    errors,
    'status.devices',
    devices,
    -1,
    (device, here) => {
      checkDriverName(errors, `${here}.driver`, device.driver);
      checkPoolName(errors, `${here}.pool`, device.pool);
      checkFormat(errors, `${here}.device`, device.device, dnsLabel(device.device));
      if (!allocated.has(sharedId(device))) {
        errors.push(invalid(here, device, 'must be an allocated device in the claim'));
      }
    },
    sharedId,
  );
  if (reservedFor?.length && !allocation) {
    errors.push(forbidden('status.reservedFor', 'may not be specified when `allocated` is not set'));
  } else if (reservedFor?.length && metadata?.deletionTimestamp) {
    const before = new Set((old.status?.reservedFor ?? []).map(({ uid }) => uid));
    if (reservedFor.some(({ uid }) => !before.has(uid))) {
      const why = 'new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set';
      errors.push(forbidden('status.reservedFor', why));
    }
  }
  if (allocation && old.status?.allocation) {
    checkImmutable(errors, 'status.allocation', allocation, old.status.allocation);
  } else if (allocation) checkAllocation(errors, allocation, requestNames(spec?.devices));
  return errors;
}

type Allocation = NonNullable<NonNullable<ResourceClaim['status']>['allocation']>;

function checkAllocation(errors: Errors, allocation: Allocation, names: ReadonlySet<string>): void {
  const path = 'status.allocation.devices';
  checkItems(errors, `${path}.results`, allocation.devices?.results, 32, (result, here) => {
    checkRequestRef(errors, `${here}.request`, result.request ?? '', names);
    checkDriverName(errors, `${here}.driver`, result.driver);
    checkPoolName(errors, `${here}.pool`, result.pool);
    checkFormat(errors, `${here}.device`, result.device, dnsLabel(result.device));
  });
  checkItems(errors, `${path}.config`, allocation.devices?.config, 64, (config, here) => {
    checkEnum(errors, `${here}.source`, config.source, ['FromClaim', 'FromClass']);
    const check = (ref: string, at: string) => checkRequestRef(errors, at, ref, names);
    checkDistinct(errors, `${here}.requests`, config.requests, 32, check, String);
    checkConfiguration(errors, here, config.opaque);
  });
  if (allocation.nodeSelector) {
    validateNodeSelector(errors, 'status.allocation.nodeSelector', allocation.nodeSelector);
  }
}

function stateOf({ metadata, status }: ResourceClaim): string {
  const states: string[] = [];
  if (metadata?.deletionTimestamp) states.push('deleted');
  if (!status?.allocation && !metadata?.deletionTimestamp) states.push('pending');
  if (status?.allocation) states.push('allocated');
  if (status?.reservedFor?.length) states.push('reserved');
  return states.join(',');
}

/** Mirrors pkg/registry/resource/resourceclaim/strategy.go. */
export const resourceclaims = ({ authorizer }: Pick<ResourceEnvironment, 'authorizer'>): ResourceDefinition =>
  define(RESOURCECLAIMS, {
    strategy: {
      returnsDeletedObject: true,
      ...statusStrategy,
      generation: false,
      defaults: ({ spec }) => defaultClaimDevices(spec?.devices),
      validateCreate: async (claim, { store }) => [
        ...(await checkAdminAccess(claim.spec?.devices?.requests, claim.metadata?.namespace ?? '', store)),
        ...validate(claim),
      ],
      validateUpdate(claim, old) {
        const errors = validate(claim);
        checkImmutable(errors, 'spec', claim.spec, old.spec);
        return errors;
      },
    },
    subresources: [
      bareStatusOf<ResourceClaim>(async (claim, old, { store, request }) => [
        ...(await checkAdminStatus(
          claim.status?.allocation?.devices?.results,
          old.status?.allocation?.devices?.results,
          claim.metadata?.namespace ?? '',
          store,
        )),
        ...(await checkStatusRights(claim, old, request, authorizer)),
        ...validateStatus(claim, old),
      ]),
    ],
    columns: [nameColumn(), column('State', 'string', stateOf), ageColumn()],
  });

function validateTemplate({ spec }: ResourceClaimTemplate): FieldError[] {
  const errors: Errors = [];
  checkLabels(errors, 'spec.metadata.labels', spec?.metadata?.labels);
  checkClaimSpec(errors, 'spec.spec', spec?.spec);
  return errors;
}

/** Mirrors pkg/registry/resource/resourceclaimtemplate/strategy.go. */
export const resourceclaimtemplates = define(RESOURCECLAIMTEMPLATES, {
  strategy: {
    returnsDeletedObject: true,
    defaults: ({ spec }) => defaultClaimDevices(spec?.spec?.devices),
    validateCreate: async (template, { store }) => [
      ...(await checkAdminAccess(
        template.spec?.spec?.devices?.requests,
        template.metadata?.namespace ?? '',
        store,
      )),
      ...validateTemplate(template),
    ],
    validateUpdate(template, old) {
      const errors: Errors = [];
      checkImmutable(errors, 'spec', template.spec, old.spec);
      return errors;
    },
  },
  columns: [nameColumn(), ageColumn()],
});
