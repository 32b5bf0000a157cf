import { DEVICECLASSES, RESOURCESLICES } from '../../../api/gen/resources.ts';
import type {
  Device,
  DeviceClass,
  ResourceSlice,
  ResourceSliceSpec,
} from '../../../api/gen/types/resource-v1.ts';
import { rfc3339 } from '../../../base/clock.ts';
import { invalid, notSupported, required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { isExtendedResource } from '../core/pod-spec/resource-requirements.ts';
import { validateNodeSelector } from '../core/pod-spec/scheduling.ts';
import { define } from '../define.ts';
import { checkDriverName } from '../storage/driver-name.ts';
import { checkFormat, checkImmutable } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain, longName } from '../validation/formats.ts';
import {
  checkAttributeName,
  checkConfiguration,
  checkDistinct,
  checkItems,
  checkPoolName,
  checkSelectors,
  EFFECTS,
} from './device-rules.ts';

function validateClass({ spec }: DeviceClass): FieldError[] {
  const errors: Errors = [];
  checkSelectors(errors, 'spec.selectors', spec?.selectors);
  checkItems(errors, 'spec.config', spec?.config, 32, ({ opaque }, here) =>
    checkConfiguration(errors, here, opaque),
  );
  const extended = spec?.extendedResourceName;
  if (extended !== undefined && !isExtendedResource(extended)) {
    errors.push(invalid('spec.extendedResourceName', extended, 'must be a valid extended resource name'));
  }
  return errors;
}

/** Mirrors pkg/registry/resource/deviceclass/strategy.go. */
export const deviceclasses = define(DEVICECLASSES, {
  strategy: {
    returnsDeletedObject: true,
    generation: true,
    validateName: longName,
    validateCreate: validateClass,
    validateUpdate: validateClass,
  },
  columns: [nameColumn(), ageColumn()],
});

const ONE_PLACE =
  'exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required';

/** Mirrors validateResourceSliceSpec of pkg/apis/resource/validation/validation.go. */
function validate({ spec }: ResourceSlice): FieldError[] {
  const errors: Errors = [];
  checkDriverName(errors, 'spec.driver', spec?.driver);
  checkPoolName(errors, 'spec.pool.name', spec?.pool?.name);
  const resourceSliceCount = spec?.pool?.resourceSliceCount ?? 0;
  const generation = spec?.pool?.generation ?? 0;
  if (resourceSliceCount <= 0) {
    errors.push(invalid('spec.pool.resourceSliceCount', resourceSliceCount, 'must be greater than zero'));
  }
  if (generation < 0) {
    errors.push(invalid('spec.pool.generation', generation, 'must be greater than or equal to zero'));
  }
  if (!spec) return errors;
  checkPlace(errors, spec);
  if (spec.sharedCounters && spec.devices) {
    errors.push(invalid('spec', '', 'only one of `sharedCounters` or `devices` is allowed'));
  }
  const special = (spec.devices ?? []).some((one) => one.taints?.length || one.consumesCounters?.length);
  checkDistinct(
    errors,
    'spec.devices',
    spec.devices,
    special ? 64 : 128,
    (device, here) => checkDevice(errors, here, device, spec.perDeviceNodeSelection ?? false),
    ({ name }) => name,
  );
  checkDistinct(
    errors,
    'spec.sharedCounters',
    spec.sharedCounters,
    8,
    ({ name, counters }, here) => {
      if (!name) errors.push(required(`${here}.name`));
      else checkFormat(errors, `${here}.name`, name, dnsLabel(name));
      if (Object.keys(counters ?? {}).length === 0) errors.push(required(`${here}.counters`));
      for (const counter of Object.keys(counters ?? {})) {
        checkFormat(errors, `${here}.counters`, counter, dnsLabel(counter));
      }
    },
    ({ name }) => name,
  );
  return errors;
}

function checkPlace(errors: Errors, spec: ResourceSliceSpec): void {
  const set: string[] = [];
  const { nodeName, nodeSelector } = spec;
  if (nodeName === '') {
    errors.push(invalid('spec.nodeName', nodeName, 'must be either unset or set to a non-empty string'));
  } else if (nodeName !== undefined) {
    set.push('`nodeName`');
    checkFormat(errors, 'spec.nodeName', nodeName, dnsSubdomain(nodeName));
  }
  if (nodeSelector) {
    set.push('`nodeSelector`');
    validateNodeSelector(errors, 'spec.nodeSelector', nodeSelector);
    if (nodeSelector.nodeSelectorTerms?.length !== 1) {
      const terms = nodeSelector.nodeSelectorTerms ?? null;
      errors.push(
        invalid('spec.nodeSelector.nodeSelectorTerms', terms, 'must have exactly one node selector term'),
      );
    }
  }
  for (const field of ['allNodes', 'perDeviceNodeSelection'] as const) {
    if (spec[field] === true) set.push(`\`${field}\``);
    else if (spec[field] === false) {
      errors.push(invalid(`spec.${field}`, false, 'must be either unset or set to true'));
    }
  }
  if (set.length === 0) errors.push(required('spec', ONE_PLACE));
  else if (set.length > 1) {
    errors.push(invalid('spec', `{${set.join(', ')}}`, `${ONE_PLACE}, but multiple fields are set`));
  }
}

const MAX_VALUE = 64;
const VALUES = ['bool', 'int', 'string', 'version', 'bools', 'ints', 'strings', 'versions'] as const;
const PART = '(0|[1-9]\\d*|\\d*[a-zA-Z-][0-9a-zA-Z-]*)';
const SEMVER = new RegExp(
  `^(0|[1-9]\\d*)\\.(0|[1-9]\\d*)\\.(0|[1-9]\\d*)(-${PART}(\\.${PART})*)?(\\+[0-9a-zA-Z-]+(\\.[0-9a-zA-Z-]+)*)?$`,
);

function checkDevice(errors: Errors, path: string, device: Device, ownPlace: boolean): void {
  checkFormat(errors, `${path}.name`, device.name, dnsLabel(device.name));
  const { attributes = {}, capacity = {} } = device;
  const count = Object.keys(attributes).length + Object.keys(capacity).length;
  if (count > 32) {
    errors.push(invalid(path, count, 'the total number of attributes and capacities must not exceed 32'));
  }
  for (const [name, attribute] of Object.entries(attributes)) {
    const here = `${path}.attributes[${name}]`;
    checkAttributeName(errors, `${path}.attributes`, name);
    const { version, string: text } = attribute;
    if (text !== undefined && Buffer.byteLength(text) > MAX_VALUE) {
      errors.push(tooLong(`${here}.string`, MAX_VALUE));
    }
    if (version !== undefined && !SEMVER.test(version)) {
      const why = 'must be a string compatible with semver.org spec 2.0.0';
      errors.push(invalid(`${here}.version`, version, why));
    }
    const set = VALUES.filter((field) => (attribute as Record<string, unknown>)[field] !== undefined);
    if (set.length !== 1) {
      errors.push(invalid(here, set.length === 0 ? '' : attribute, 'exactly one value must be specified'));
    }
  }
  for (const [index, { effect }] of (device.taints ?? []).entries()) {
    const field = `${path}.taints[${index}].effect`;
    if (!effect) errors.push(required(field));
    else if (!EFFECTS.includes(effect)) errors.push(notSupported(field, effect, EFFECTS));
  }
  const places = [device.nodeName, device.nodeSelector, device.allNodes].filter((one) => one !== undefined);
  const inSpec = 'to true in the ResourceSlice spec';
  if (!ownPlace && places.length > 0) {
    const why = `\`nodeName\`, \`nodeSelector\` and \`allNodes\` can only be set if \`perDeviceNodeSelection\` is set ${inSpec}`;
    errors.push(invalid(path, null, why));
  } else if (ownPlace && places.length !== 1) {
    const why = `exactly one of \`nodeName\`, \`nodeSelector\`, or \`allNodes\` is required when \`perDeviceNodeSelection\` is set ${inSpec}`;
    errors.push(places.length === 0 ? required(path, why) : invalid(path, '', why));
  }
  for (const name of Object.keys(capacity)) checkAttributeName(errors, `${path}.capacity`, name);
}

/** A taint begins when it is first seen. */
function stampTaints({ spec }: ResourceSlice, now: number): void {
  for (const device of spec?.devices ?? []) {
    for (const taint of device.taints ?? []) taint.timeAdded ??= rfc3339(now);
  }
}

/** Mirrors pkg/registry/resource/resourceslice/strategy.go. */
export const resourceslices = define(RESOURCESLICES, {
  strategy: {
    returnsDeletedObject: true,
    generation: true,
    prepareForCreate: (slice, { now }) => stampTaints(slice, now),
    prepareForUpdate: (slice, _old, { now }) => stampTaints(slice, now),
    validateCreate: validate,
    validateUpdate(slice, old) {
      const errors = validate(slice);
      const [now, before] = [slice.spec, old.spec];
      checkImmutable(errors, 'spec.pool.name', now?.pool?.name, before?.pool?.name);
      checkImmutable(errors, 'spec.driver', now?.driver, before?.driver);
      checkImmutable(errors, 'spec.nodeName', now?.nodeName, before?.nodeName);
      return errors;
    },
  },
  columns: [
    nameColumn(),
    column('Node', 'string', ({ spec }) => spec?.nodeName ?? '<unset>'),
    column('Driver', 'string', ({ spec }) => spec?.driver ?? ''),
    column('Pool', 'string', ({ spec }) => spec?.pool?.name ?? ''),
    ageColumn(),
  ],
});
