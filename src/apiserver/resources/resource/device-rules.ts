import type {
  DeviceSelector,
  DeviceToleration,
  OpaqueDeviceConfiguration,
} from '../../../api/gen/types/resource-v1.ts';
import {
  duplicate,
  forbidden,
  invalid,
  notSupported,
  required,
  tooLong,
  tooMany,
} from '../../field-error.ts';
import { stringifyJson } from '../../../api/json/encode.ts';
import { deviceSelectorProblem } from '../../cel/device-selector.ts';
import { checkDriverName } from '../storage/driver-name.ts';
import { at, checkFormat } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain, labelValue, qualifiedName } from '../validation/formats.ts';

// Mirrors the helpers of pkg/apis/resource/validation/validation.go.

const MAX_EXPRESSION = 10 * 1024;
const MAX_PARAMETERS = 10 * 1024;
const MAX_ID = 32;
/** What a taint of a device does, and what a toleration bears. */
export const EFFECTS = ['NoExecute', 'NoSchedule', 'None'];
const C_IDENTIFIER = '[A-Za-z_][A-Za-z0-9_]*';

/** Each item by `check`, or only the number where there are too many. */
export function checkItems<T>(
  errors: Errors,
  path: string,
  items: readonly T[] | undefined,
  maximum: number,
  check: (item: T, here: string) => void,
): void {
  const all = items ?? [];
  if (maximum >= 0 && all.length > maximum) errors.push(tooMany(path, all.length, maximum));
  else for (const [index, item] of all.entries()) check(item, at(path, index));
}

/** As checkItems, and no two items may have the same key. */
export function checkDistinct<T>(
  errors: Errors,
  path: string,
  items: readonly T[] | undefined,
  maximum: number,
  check: (item: T, here: string) => void,
  keyOf: (item: T) => unknown,
): void {
  checkItems(errors, path, items, maximum, check);
  if (maximum >= 0 && (items?.length ?? 0) > maximum) return;
  const seen = new Set<string>();
  for (const [index, item] of (items ?? []).entries()) {
    const name = JSON.stringify(keyOf(item));
    if (seen.has(name)) errors.push(duplicate(at(path, index), keyOf(item)));
    seen.add(name);
  }
}

export function checkSelectors(
  errors: Errors,
  path: string,
  selectors: readonly DeviceSelector[] | undefined,
): void {
  checkItems(errors, path, selectors, 32, ({ cel }, here) => {
    if (!cel) errors.push(required(`${here}.cel`));
    else if (Buffer.byteLength(cel.expression ?? '') > MAX_EXPRESSION) {
      errors.push(tooLong(`${here}.cel.expression`, MAX_EXPRESSION));
    } else {
      const { expression } = cel;
      const problem = deviceSelectorProblem(expression);
      if (!problem) return;
      const path = `${here}.cel.expression`;
      if ('invalid' in problem) errors.push(invalid(path, expression, problem.invalid));
      else errors.push(forbidden(path, problem.forbidden));
    }
  });
}

export function checkConfiguration(
  errors: Errors,
  path: string,
  opaque: OpaqueDeviceConfiguration | undefined,
): void {
  if (!opaque) {
    errors.push(required(`${path}.opaque`));
    return;
  }
  checkDriverName(errors, `${path}.opaque.driver`, opaque.driver);
  const { parameters } = opaque;
  const field = `${path}.opaque.parameters`;
  if (parameters === undefined || parameters === null) errors.push(required(field));
  else if (typeof parameters !== 'object' || Array.isArray(parameters)) {
    errors.push(invalid(field, '<value omitted>', 'must be a valid JSON object'));
  } else if (Buffer.byteLength(stringifyJson(parameters)) > MAX_PARAMETERS) {
    errors.push(tooLong(field, MAX_PARAMETERS));
  }
}

/** `name` or `domain/name`, as attributes and capacities are called. */
export function checkAttributeName(errors: Errors, path: string, name: string): void {
  const parts = name.split('/');
  if (parts.length > 2) return;
  const id = parts.at(-1) ?? '';
  const [domain = ''] = parts;
  if (parts.length === 2) {
    if (domain === '') errors.push(invalid(path, '', 'the domain must not be empty'));
    else checkDriverName(errors, path, domain);
    if (id === '') errors.push(invalid(path, '', 'the name must not be empty'));
  }
  if (parts.length === 2 && id === '') return;
  if (id.length > MAX_ID) errors.push(tooLong(path, MAX_ID));
  if (!new RegExp(`^${C_IDENTIFIER}$`).test(id)) {
    const why =
      `a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric ` +
      `characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '${C_IDENTIFIER}')`;
    errors.push(invalid(path, id, why));
  }
}

export function checkFullName(errors: Errors, path: string, name: string): void {
  checkAttributeName(errors, path, name);
  if (!name.includes('/')) {
    const why = 'a fully qualified name must be a domain and a name separated by a slash';
    errors.push(invalid(path, name, why));
  }
}

export function checkPoolName(errors: Errors, path: string, name: string | undefined): void {
  if (!name) {
    errors.push(required(path));
    return;
  }
  if (name.length > 253) errors.push(tooLong(path, 253));
  for (const part of name.split('/')) checkFormat(errors, path, part, dnsSubdomain(part));
}

export function checkTolerations(
  errors: Errors,
  path: string,
  tolerations: readonly DeviceToleration[] | undefined,
): void {
  for (const [index, toleration] of (tolerations ?? []).entries()) {
    const here = at(path, index);
    const { key: name, operator, value, effect } = toleration;
    if (name) checkFormat(errors, `${here}.key`, name, qualifiedName(name));
    if (operator === 'Exists') {
      if (value) errors.push(invalid(`${here}.value`, value, 'must be empty for operator `Exists`'));
    } else if (operator === 'Equal') {
      checkFormat(errors, `${here}.value`, value, labelValue(value));
    } else {
      const known = ['Equal', 'Exists'];
      errors.push(
        operator ? notSupported(`${here}.operator`, operator, known) : required(`${here}.operator`),
      );
    }
    if (effect && !EFFECTS.includes(effect)) {
      errors.push(notSupported(`${here}.effect`, effect, EFFECTS));
    }
  }
}
