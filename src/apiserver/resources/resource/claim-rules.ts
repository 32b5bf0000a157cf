import type { DeviceClaim, DeviceRequest, ResourceClaimSpec } from '../../../api/gen/types/resource-v1.ts';
import { invalid, notSupported, required } from '../../field-error.ts';
import { checkFormat } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, dnsSubdomain } from '../validation/formats.ts';
import {
  checkConfiguration,
  checkDistinct,
  checkFullName,
  checkItems,
  checkSelectors,
  checkTolerations,
} from './device-rules.ts';

const MAX_REQUESTS = 32;
const EXACTLY_ONE = 'exactly one of `exactly` or `firstAvailable` is required';
const NAME_OF_REQUEST =
  "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'";

type Asked = NonNullable<DeviceRequest['exactly']>;

/** Mirrors SetDefaults_ExactDeviceRequest of pkg/apis/resource/v1/defaults.go. */
export function defaultClaimDevices(devices: DeviceClaim | undefined): void {
  for (const request of devices?.requests ?? []) {
    const asked: Asked[] = [request.exactly, ...(request.firstAvailable ?? [])].filter(
      (one) => one !== undefined,
    );
    for (const one of asked) {
      one.allocationMode ||= 'ExactCount';
      if (one.allocationMode === 'ExactCount' && !one.count) one.count = 1;
      for (const toleration of one.tolerations ?? []) toleration.operator ||= 'Equal';
    }
  }
}

/** The names that constraints and results may give: `request` and `request/subrequest`. */
export function requestNames(devices: DeviceClaim | undefined): ReadonlySet<string> {
  return new Set(
    (devices?.requests ?? []).flatMap(({ name, firstAvailable }) => [
      name,
      ...(firstAvailable ?? []).map((one) => `${name}/${one.name}`),
    ]),
  );
}

export function checkRequestRef(
  errors: Errors,
  path: string,
  name: string,
  names: ReadonlySet<string>,
): void {
  const segments = name.split('/');
  if (segments.length <= 2) for (const part of segments) checkFormat(errors, path, part, dnsLabel(part));
  if (segments.length > 2 || !names.has(name)) errors.push(invalid(path, name, NAME_OF_REQUEST));
}

/** Mirrors validateDeviceClaim of pkg/apis/resource/validation/validation.go. */
export function checkClaimSpec(errors: Errors, path: string, spec: ResourceClaimSpec | undefined): void {
  const devices = spec?.devices;
  const here = `${path}.devices`;
  const names = requestNames(devices);
  const checkRefs = (field: string, refs: readonly string[] | undefined) =>
    checkDistinct(
      errors,
      field,
      refs,
      MAX_REQUESTS,
      (ref, at) => checkRequestRef(errors, at, ref, names),
      String,
    );
  checkDistinct(
    errors,
    `${here}.requests`,
    devices?.requests,
    MAX_REQUESTS,
    (request, at) => checkRequest(errors, at, request),
    ({ name }) => name,
  );
  checkItems(errors, `${here}.constraints`, devices?.constraints, 32, (constraint, at) => {
    checkRefs(`${at}.requests`, constraint.requests);
    const { matchAttribute, distinctAttribute } = constraint;
    if (matchAttribute !== undefined) checkFullName(errors, `${at}.matchAttribute`, matchAttribute);
    else if (distinctAttribute !== undefined) {
      checkFullName(errors, `${at}.distinctAttribute`, distinctAttribute);
    } else {
      const why =
        'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set';
      errors.push(required(at, why));
    }
  });
  checkItems(errors, `${here}.config`, devices?.config, 32, (config, at) => {
    checkRefs(`${at}.requests`, config.requests);
    checkConfiguration(errors, at, config.opaque);
  });
}

function checkRequest(errors: Errors, path: string, request: DeviceRequest): void {
  checkFormat(errors, `${path}.name`, request.name, dnsLabel(request.name));
  const { exactly, firstAvailable } = request;
  if (firstAvailable?.length && exactly) {
    errors.push(invalid(path, null, `${EXACTLY_ONE}, but multiple fields are set`));
  } else if (firstAvailable?.length) {
    const field = `${path}.firstAvailable`;
    const check = (one: Asked & { name: string }, at: string) => {
      checkFormat(errors, `${at}.name`, one.name, dnsLabel(one.name));
      checkAsked(errors, at, one);
    };
    checkDistinct(errors, field, firstAvailable, 8, check, ({ name }) => name);
  } else if (exactly) checkAsked(errors, `${path}.exactly`, exactly);
  else errors.push(required(path, EXACTLY_ONE));
}

function checkAsked(errors: Errors, path: string, asked: Asked): void {
  const name = asked.deviceClassName;
  if (!name) errors.push(required(`${path}.deviceClassName`));
  else checkFormat(errors, `${path}.deviceClassName`, name, dnsSubdomain(name));
  checkSelectors(errors, `${path}.selectors`, asked.selectors);
  const { allocationMode: mode, count = 0 } = asked;
  if (mode === 'All') {
    if (count !== 0) {
      errors.push(invalid(`${path}.count`, count, "must not be specified when allocationMode is 'All'"));
    }
  } else if (mode === 'ExactCount') {
    if (count <= 0) errors.push(invalid(`${path}.count`, count, 'must be greater than zero'));
  } else errors.push(notSupported(`${path}.allocationMode`, mode, ['All', 'ExactCount']));
  checkTolerations(errors, `${path}.tolerations`, asked.tolerations);
}
