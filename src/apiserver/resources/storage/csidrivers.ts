import { CSIDRIVERS } from '../../../api/gen/resources.ts';
import type { CSIDriver, CSIDriverSpec } from '../../../api/gen/types/storage-v1.ts';
import { duplicate, invalid, notSupported } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { checkImmutable, checkOptionalEnum, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';

const TOKENS_IN_CONTEXT =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent ' +
  'possible logging of tokens in volume attributes';

/** Mirrors SetDefaults_CSIDriver of pkg/apis/storage/v1/defaults.go. */
function defaults({ spec }: CSIDriver): void {
  if (!spec) return;
  spec.attachRequired ??= true;
  spec.podInfoOnMount ??= false;
  spec.storageCapacity ??= false;
  spec.fsGroupPolicy ??= 'ReadWriteOnceWithFSType';
  if (!spec.volumeLifecycleModes?.length) spec.volumeLifecycleModes = ['Persistent'];
  spec.requiresRepublish ??= false;
  spec.seLinuxMount ??= false;
}

/** Numbers past 2^53 are kept exact. */
const nextGeneration = (before: number | bigint): number =>
  typeof before === 'bigint' ? Number(before + 1n) : before + 1;

/** Behind a feature that is off by default. */
function dropDisabled({ spec }: CSIDriver): void {
  delete (spec as { preventPodSchedulingIfMissing?: boolean } | undefined)?.preventPodSchedulingIfMissing;
}

/** Mirrors validateCSIDriverSpec of pkg/apis/storage/validation/validation.go. */
function validate({ spec }: CSIDriver): FieldError[] {
  const errors: Errors = [];
  checkOptionalEnum(errors, 'spec.fsGroupPolicy', spec.fsGroupPolicy, [
    'File',
    'None',
    'ReadWriteOnceWithFSType',
  ]);
  checkTokenRequests(errors, spec);
  const modes = ['Persistent', 'Ephemeral'];
  for (const mode of spec.volumeLifecycleModes ?? []) {
    if (!modes.includes(mode)) errors.push(notSupported('spec.volumeLifecycleModes', mode, modes));
  }
  const period = spec.nodeAllocatableUpdatePeriodSeconds;
  if (period !== undefined && period < 10) {
    const why = 'must be greater than or equal to 10 seconds';
    errors.push(invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, why));
  }
  const inSecrets = spec.serviceAccountTokenInSecrets;
  if (inSecrets !== undefined && !spec.tokenRequests?.length) {
    const why = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified';
    errors.push(invalid('spec.serviceAccountTokenInSecrets', inSecrets, why));
  }
  return errors;
}

function checkTokenRequests(errors: Errors, spec: CSIDriverSpec): void {
  const audiences = new Set<string>();
  for (const [index, { audience = '', expirationSeconds }] of (spec.tokenRequests ?? []).entries()) {
    const path = `spec.tokenRequests[${index}]`;
    if (audiences.has(audience)) {
      errors.push(duplicate(`${path}.audience`, audience));
      continue;
    }
    audiences.add(audience);
    if (expirationSeconds === undefined) continue;
    if (expirationSeconds < 600) {
      const why = 'may not specify a duration less than 10 minutes';
      errors.push(invalid(`${path}.expirationSeconds`, expirationSeconds, why));
    }
    if (expirationSeconds > 2 ** 32) {
      const why = 'may not specify a duration larger than 2^32 seconds';
      errors.push(invalid(`${path}.expirationSeconds`, expirationSeconds, why));
    }
  }
}

function warnings({ spec }: CSIDriver): string[] {
  const atRisk = spec?.tokenRequests?.length && spec.serviceAccountTokenInSecrets === undefined;
  return atRisk ? [TOKENS_IN_CONTEXT] : [];
}

/** Mirrors pkg/registry/storage/csidriver/strategy.go. */
export const csidrivers = define(CSIDRIVERS, {
  strategy: {
    returnsDeletedObject: true,
    defaults,
    allowUnconditionalUpdate: false,
    prepareForCreate: dropDisabled,
    prepareForUpdate(driver, old) {
      dropDisabled(driver);
      // Counted from the first change on: a driver starts without.
      const before = old.metadata?.generation ?? 0;
      if (sameJson(driver.spec, old.spec)) return;
      driver.metadata = { ...driver.metadata, generation: nextGeneration(before) };
    },
    generation: false,
    validateCreate: validate,
    validateUpdate(driver, old) {
      const errors = validate(driver);
      const [spec, before] = [driver.spec, old.spec];
      checkImmutable(errors, 'spec.attachedRequired', spec?.attachRequired, before?.attachRequired);
      const modes = spec?.volumeLifecycleModes;
      checkImmutable(errors, 'spec.volumeLifecycleModes', modes, before?.volumeLifecycleModes);
      return errors;
    },
    warningsOnCreate: warnings,
    warningsOnUpdate: (driver, old) =>
      sameJson(driver.spec?.tokenRequests, old.spec?.tokenRequests) ? [] : warnings(driver),
  },
  columns: [
    nameColumn(),
    column('AttachRequired', 'boolean', ({ spec }) => spec?.attachRequired ?? true),
    column('PodInfoOnMount', 'boolean', ({ spec }) => spec?.podInfoOnMount ?? false),
    column('StorageCapacity', 'boolean', ({ spec }) => spec?.storageCapacity ?? false),
    column(
      'TokenRequests',
      'string',
      ({ spec }) => (spec?.tokenRequests ?? []).map(({ audience }) => audience).join(',') || '<unset>',
    ),
    column('RequiresRepublish', 'boolean', ({ spec }) => spec?.requiresRepublish ?? false),
    column('Modes', 'string', ({ spec }) => (spec?.volumeLifecycleModes ?? []).join(',') || '<none>'),
    ageColumn(),
  ],
});
