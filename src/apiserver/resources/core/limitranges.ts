import { LIMITRANGES } from '../../../api/gen/resources.ts';
import type { LimitRange, LimitRangeItem } from '../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { at, checkFormat, child, key } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { qualifiedName } from '../validation/formats.ts';
import { compareQuantities, quotient } from '../validation/quantities.ts';
import {
  checkContainerResourceName,
  checkResourceName,
  mayOvercommit,
} from './pod-spec/resource-requirements.ts';

const TYPES = ['Container', 'PersistentVolumeClaim', 'Pod'];
const LISTS = ['max', 'min', 'default', 'defaultRequest', 'maxLimitRequestRatio'] as const;

/** Defaults of containers follow from each other. Mirrors SetDefaults_LimitRangeItem. */
function defaults({ spec }: LimitRange): void {
  for (const item of spec?.limits ?? []) {
    if (item.type !== 'Container') continue;
    const limits = { ...item.max, ...item.default };
    if (Object.keys(limits).length > 0) item.default = limits;
    const requests = { ...item.min, ...limits, ...item.defaultRequest };
    if (Object.keys(requests).length > 0) item.defaultRequest = requests;
  }
}

/** Mirrors ValidateLimitRange of pkg/apis/core/validation/validation.go. */
function validate({ spec }: LimitRange): FieldError[] {
  const errors: Errors = [];
  const types = new Set<string>();
  (spec?.limits ?? []).forEach((item, index) => {
    const here = at('spec.limits', index);
    const problems = qualifiedName(item.type);
    checkFormat(errors, child(here, 'type'), item.type, problems);
    if (problems.length === 0 && !item.type.includes('/') && !TYPES.includes(item.type)) {
      const why = 'must be a standard limit type or fully qualified';
      errors.push(invalid(child(here, 'type'), item.type, why));
    }
    if (types.has(item.type)) errors.push(duplicate(child(here, 'type'), item.type));
    types.add(item.type);
    validateItem(errors, here, item);
  });
  return errors;
}

function validateItem(errors: Errors, path: string, item: LimitRangeItem): void {
  const names = new Set<string>();
  for (const list of LISTS) {
    const given = Object.keys(item[list] ?? {});
    if (item.type === 'Pod' && given.length > 0 && (list === 'default' || list === 'defaultRequest')) {
      errors.push(forbidden(child(path, list), "may not be specified when `type` is 'Pod'"));
      continue;
    }
    for (const name of given) {
      const check =
        item.type === 'Pod' || item.type === 'Container' ? checkContainerResourceName : checkResourceName;
      check(errors, key(child(path, list), name), name);
      names.add(name);
    }
  }
  if (item.type === 'PersistentVolumeClaim' && !item.min?.['storage'] && !item.max?.['storage']) {
    const why = 'either minimum or maximum storage value is required, but neither was provided';
    errors.push(required(child(path, 'limits'), why));
  }
  for (const name of names) validateResource(errors, path, item, name);
}

function validateResource(errors: Errors, path: string, item: LimitRangeItem, name: string): void {
  // A name may be one that every object has.
  const own = (list: (typeof LISTS)[number]) => new Map(Object.entries(item[list] ?? {})).get(name);
  const [min, max, byDefault] = [own('min'), own('max'), own('default')];
  const [request, ratio] = [own('defaultRequest'), own('maxLimitRequestRatio')];
  const above = (
    list: (typeof LISTS)[number],
    shown: string | undefined,
    low: string | undefined,
    high: string | undefined,
    message: string,
  ) => {
    if (low === undefined || high === undefined || compareQuantities(low, high) <= 0) return;
    errors.push(invalid(key(child(path, list), name), shown, message));
  };
  above('min', min, min, max, `min value ${min} is greater than max value ${max}`);
  above(
    'defaultRequest',
    request,
    min,
    request,
    `min value ${min} is greater than default request value ${request}`,
  );
  above(
    'defaultRequest',
    request,
    request,
    max,
    `default request value ${request} is greater than max value ${max}`,
  );
  const overLimit = `default request value ${request} is greater than default limit value ${byDefault}`;
  above('defaultRequest', request, request, byDefault, overLimit);
  above('default', min, min, byDefault, `min value ${min} is greater than default value ${byDefault}`);
  above('default', max, byDefault, max, `default value ${byDefault} is greater than max value ${max}`);
  if (ratio !== undefined && compareQuantities(ratio, '1') < 0) {
    errors.push(
      invalid(key(child(path, 'maxLimitRequestRatio'), name), ratio, `ratio ${ratio} is less than 1`),
    );
  }
  const most = ratio === undefined || min === undefined || max === undefined ? undefined : quotient(max, min);
  if (ratio !== undefined && most !== undefined && quotient(ratio, '1') > most) {
    const why = `ratio ${ratio} is greater than max/min = ${most.toFixed(6)}`;
    errors.push(invalid(key(child(path, 'maxLimitRequestRatio'), name), ratio, why));
  }
  if (mayOvercommit(name) || byDefault === undefined || request === undefined) return;
  if (compareQuantities(byDefault, request) !== 0) {
    const why = `default value ${byDefault} must equal to defaultRequest value ${request} in ${name}`;
    errors.push(invalid(key(child(path, 'defaultRequest'), name), request, why));
  }
}

/** Mirrors pkg/registry/core/limitrange/strategy.go. */
export const limitranges = define(LIMITRANGES, {
  shortNames: ['limits'],
  strategy: { defaults, generation: false, validateCreate: validate, validateUpdate: validate },
  columns: [nameColumn(), column('Created At', 'date', ({ metadata }) => metadata?.creationTimestamp ?? '')],
});
