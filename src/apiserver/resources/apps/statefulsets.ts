import { STATEFULSETS } from '../../../api/gen/resources.ts';
import type { StatefulSet, StatefulSetSpec } from '../../../api/gen/types/apps-v1.ts';
import { forbidden, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, containerImages, containerNames, nameColumn } from '../columns.ts';
import { defaultPodTemplate } from '../core/pod-spec/defaults.ts';
import { defaultClaimSpec, validateClaimSpec } from '../core/claim-spec.ts';
import { define, statusOf, statusStrategy } from '../define.ts';
import { at, checkEnum, checkFormat, checkNonNegative, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel } from '../validation/formats.ts';
import { checkCounters, checkRunsForever, checkSelectorAndTemplate, scaleOf } from './workload.ts';
import { templateWarnings } from '../core/workload-warnings.ts';
import { claimSpecWarnings } from '../core/claim-warnings.ts';

function defaults({ spec }: StatefulSet): void {
  if (!spec) return;
  spec.podManagementPolicy ||= 'OrderedReady';
  spec.updateStrategy ??= {};
  const { updateStrategy } = spec;
  if (!updateStrategy.type) {
    updateStrategy.type = 'RollingUpdate';
    updateStrategy.rollingUpdate ??= {};
  }
  if (updateStrategy.type === 'RollingUpdate' && updateStrategy.rollingUpdate) {
    updateStrategy.rollingUpdate.partition ??= 0;
  }
  spec.persistentVolumeClaimRetentionPolicy ??= {};
  spec.persistentVolumeClaimRetentionPolicy.whenDeleted ||= 'Retain';
  spec.persistentVolumeClaimRetentionPolicy.whenScaled ||= 'Retain';
  spec.replicas ??= 1;
  spec.revisionHistoryLimit ??= 10;
  spec.template ??= {};
  defaultPodTemplate(spec.template);
  for (const claim of spec.volumeClaimTemplates ?? []) {
    claim.apiVersion = 'v1';
    claim.kind = 'PersistentVolumeClaim';
    if (claim.spec) defaultClaimSpec(claim.spec);
    claim.status ??= {};
    claim.status.phase ||= 'Pending';
  }
}

/** Mirrors ValidateStatefulSetSpec of pkg/apis/apps/validation/validation.go. */
function validate({ spec }: StatefulSet, update: boolean): FieldError[] {
  const errors: Errors = [];
  if (!spec) return errors;
  const policy = spec.podManagementPolicy;
  if (!policy) errors.push(required('spec.podManagementPolicy'));
  else if (policy !== 'OrderedReady' && policy !== 'Parallel') {
    errors.push(invalid('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'"));
  }
  validateStrategy(errors, 'spec.updateStrategy', spec);
  const retention = spec.persistentVolumeClaimRetentionPolicy;
  for (const when of ['whenDeleted', 'whenScaled'] as const) {
    const field = `spec.persistentVolumeClaimRetentionPolicy.${when}`;
    if (retention) checkEnum(errors, field, retention[when], ['Retain', 'Delete']);
  }
  if (!update) {
    (spec.volumeClaimTemplates ?? []).forEach((claim, index) => {
      if (claim.spec) validateClaimSpec(errors, `${at('spec.volumeClaimTemplates', index)}.spec`, claim.spec);
    });
    if (spec.serviceName) {
      checkFormat(errors, 'spec.serviceName', spec.serviceName, dnsLabel(spec.serviceName));
    }
  }
  checkNonNegative(errors, 'spec.replicas', spec.replicas);
  checkNonNegative(errors, 'spec.minReadySeconds', spec.minReadySeconds);
  checkNonNegative(errors, 'spec.ordinals.start', spec.ordinals?.start);
  checkSelectorAndTemplate(errors, 'spec', { ...spec, template: withClaims(spec) }, 'statefulset');
  checkRunsForever(errors, 'spec', spec.template, 'StatefulSet');
  return errors;
}

/** The template with the volumes that its claims will become: containers may mount them. */
function withClaims(spec: StatefulSetSpec): StatefulSetSpec['template'] {
  const template = spec.template;
  if (!template?.spec) return template;
  const claims = (spec.volumeClaimTemplates ?? []).map((claim) => claim.metadata?.name ?? '');
  const volumes = [
    ...claims.map((name) => ({ name, persistentVolumeClaim: { claimName: name } })),
    ...(template.spec.volumes ?? []).filter((volume) => !claims.includes(volume.name)),
  ];
  return { ...template, spec: { ...template.spec, volumes, subdomain: '', hostname: '' } };
}

function validateStrategy(errors: Errors, path: string, spec: StatefulSetSpec): void {
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  const field = `${path}.rollingUpdate`;
  if (!type) errors.push(required(path));
  else if (type === 'OnDelete') {
    if (rollingUpdate) {
      errors.push(invalid(field, rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"));
    }
  } else if (type !== 'RollingUpdate') {
    errors.push(invalid(path, spec.updateStrategy, "must be 'RollingUpdate' or 'OnDelete'"));
  } else if (rollingUpdate) {
    checkNonNegative(errors, `${field}.partition`, rollingUpdate.partition);
  }
}

const UPDATABLE = [
  'replicas',
  'template',
  'updateStrategy',
  'minReadySeconds',
  'ordinals',
  'revisionHistoryLimit',
  'persistentVolumeClaimRetentionPolicy',
] as const;

function validateUpdate(set: StatefulSet, old: StatefulSet): FieldError[] {
  const errors = validate(set, true);
  const rest: Record<string, unknown> = { ...set.spec };
  const before: Record<string, unknown> = { ...old.spec };
  for (const field of UPDATABLE) {
    delete rest[field];
    delete before[field];
  }
  if (!sameJson(rest, before)) {
    const why =
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', " +
      "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    errors.push(forbidden('spec', why));
  }
  return errors;
}

function validateStatus({ status }: StatefulSet, old: StatefulSet): FieldError[] {
  const errors: Errors = [];
  const replicas = 'cannot be greater than status.replicas';
  checkCounters(
    errors,
    status as Record<string, unknown> | undefined,
    [
      'replicas',
      'readyReplicas',
      'currentReplicas',
      'updatedReplicas',
      'availableReplicas',
      'observedGeneration',
    ],
    [
      ['readyReplicas', 'replicas', replicas],
      ['currentReplicas', 'replicas', replicas],
      ['updatedReplicas', 'replicas', replicas],
      ['availableReplicas', 'replicas', replicas],
      ['availableReplicas', 'readyReplicas', 'cannot be greater than status.readyReplicas'],
    ],
  );
  const collisions = status?.collisionCount ?? 0;
  checkNonNegative(errors, 'status.collisionCount', collisions);
  if (old.status?.collisionCount !== undefined && collisions < old.status.collisionCount) {
    errors.push(invalid('status.collisionCount', collisions, 'cannot be decremented'));
  }
  return errors;
}

/** More than one pod at a time is behind a feature that is off by default. */
function dropDisabled({ spec }: StatefulSet): void {
  delete spec?.updateStrategy?.rollingUpdate?.maxUnavailable;
}

function warnings({ spec }: StatefulSet): string[] {
  const text =
    'spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended';
  return (spec?.revisionHistoryLimit ?? 0) < 0 ? [text] : [];
}

function claimWarnings({ spec }: StatefulSet, below: string): string[] {
  return (spec?.volumeClaimTemplates ?? []).flatMap((claim, index) =>
    claim.spec ? claimSpecWarnings(child(at('spec.volumeClaimTemplates', index), below), claim.spec) : [],
  );
}

/** Mirrors pkg/registry/apps/statefulset/strategy.go. */
export const statefulsets = define(STATEFULSETS, {
  shortNames: ['sts'],
  categories: ['all'],
  strategy: {
    prepareForCreate(set) {
      statusStrategy.prepareForCreate(set);
      dropDisabled(set);
    },
    prepareForUpdate(set, old) {
      statusStrategy.prepareForUpdate(set, old);
      dropDisabled(set);
    },
    warningsOnCreate: (set) => [
      ...templateWarnings.warningsOnCreate(set),
      ...claimWarnings(set, ''),
      ...warnings(set),
    ],
    warningsOnUpdate: (set, old) => [
      ...templateWarnings.warningsOnUpdate(set, old),
      // Upstream spells the path so.
      ...claimWarnings(set, 'Spec'),
      ...warnings(set),
    ],
    defaults,
    validateName: (name) => dnsLabel(name),
    validateCreate: (set) => validate(set, false),
    validateUpdate,
  },
  subresources: [statusOf(validateStatus), scaleOf<StatefulSet>()],
  columns: [
    nameColumn(),
    column('Ready', 'string', ({ spec, status }) => `${status?.readyReplicas ?? 0}/${spec?.replicas ?? 0}`),
    ageColumn(),
    column('Containers', 'string', ({ spec }) => containerNames(spec?.template?.spec), 'wide'),
    column('Images', 'string', ({ spec }) => containerImages(spec?.template?.spec), 'wide'),
  ],
});
