import type { Condition } from '../../../api/gen/types/meta-v1.ts';
import { duplicate, invalid, notSupported, required, tooLong } from '../../field-error.ts';
import { at, checkFormat, checkLabelName, child } from './checks.ts';
import type { Errors } from './checks.ts';

const REASON = '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?';
const REASON_RE = new RegExp(`^${REASON}$`);
const REASON_PROBLEM =
  "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', " +
  "and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  " +
  `or 'ReasonA:ReasonB', regex used for validation is '${REASON}')`;
const STATUSES = ['False', 'True', 'Unknown'];

/** Mirrors ValidateConditions of apimachinery pkg/apis/meta/v1/validation/validation.go. */
export function checkConditions(
  errors: Errors,
  path: string,
  conditions: readonly Condition[] | undefined,
): void {
  const seen = new Set<string>();
  (conditions ?? []).forEach((condition, index) => {
    const here = at(path, index);
    if (seen.has(condition.type)) errors.push(duplicate(child(here, 'type'), condition.type));
    seen.add(condition.type);
    checkCondition(errors, here, condition);
  });
}

function checkCondition(errors: Errors, path: string, condition: Partial<Condition>): void {
  const { type = '', status = '', reason = '', message = '', observedGeneration = 0 } = condition;
  checkLabelName(errors, child(path, 'type'), type);
  if (!STATUSES.includes(status)) errors.push(notSupported(child(path, 'status'), status, STATUSES));
  if (observedGeneration < 0) {
    const why = 'must be greater than or equal to zero';
    errors.push(invalid(child(path, 'observedGeneration'), observedGeneration, why));
  }
  if (!condition.lastTransitionTime) errors.push(required(child(path, 'lastTransitionTime')));
  if (reason === '') errors.push(required(child(path, 'reason')));
  else checkFormat(errors, child(path, 'reason'), reason, REASON_RE.test(reason) ? [] : [REASON_PROBLEM]);
  if (Buffer.byteLength(reason) > 1024) errors.push(tooLong(child(path, 'reason'), 1024));
  if (Buffer.byteLength(message) > 32768) errors.push(tooLong(child(path, 'message'), 32768));
}
