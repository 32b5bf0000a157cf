import { PRIORITYLEVELCONFIGURATIONS } from '../../../api/gen/resources.ts';
import type {
  LimitedPriorityLevelConfiguration,
  PriorityLevelConfiguration,
} from '../../../api/gen/types/flowcontrol-v1.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { bareStatusOf, define, statusStrategy } from '../define.ts';
import { sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { MANDATORY_LEVELS } from './bootstrap-objects.ts';

/** So many bits of a hash choose a hand. Mirrors apiserver pkg/util/shufflesharding. */
const MAX_HASH_BITS = 60;

function entropyBits(deck: number, hand: number): number {
  return Math.ceil(Math.log2(deck) * hand);
}

/** Mirrors pkg/apis/flowcontrol/v1/defaults.go. */
function setDefaults({ spec }: PriorityLevelConfiguration): void {
  const { limited, exempt } = spec ?? {};
  if (exempt) {
    exempt.nominalConcurrencyShares ??= 0;
    exempt.lendablePercent ??= 0;
  }
  if (!limited) return;
  limited.nominalConcurrencyShares ??= 30;
  limited.lendablePercent ??= 0;
  const queuing = limited.limitResponse?.queuing;
  if (!queuing) return;
  queuing.handSize ||= 8;
  queuing.queues ||= 64;
  queuing.queueLengthLimit ||= 50;
}

/** Mirrors pkg/apis/flowcontrol/validation/validation.go. */
function validate(object: PriorityLevelConfiguration): FieldError[] {
  const errors: Errors = [];
  const name = object.metadata?.name ?? '';
  const { spec } = object;
  const isExempt = spec?.type === 'Exempt';
  if ((name === 'exempt') !== isExempt) {
    errors.push(invalid('spec.type', spec?.type ?? '', "must be 'Exempt' if and only if `name` is 'exempt'"));
  }
  if (isExempt) {
    if (spec.limited) errors.push(forbidden('spec.limited', 'must be nil if the type is not Limited'));
    checkShares(errors, 'spec.exempt', spec.exempt ?? {});
  } else if (spec?.type === 'Limited') {
    if (spec.exempt) errors.push(forbidden('spec.exempt', 'must be nil if the type is Limited'));
    if (!spec.limited) errors.push(required('spec.limited', 'must not be empty when type is Limited'));
    else checkLimited(errors, spec.limited);
  } else {
    errors.push(notSupported('spec.type', spec?.type ?? '', ['Exempt', 'Limited']));
  }
  const fixed = MANDATORY_LEVELS.find(({ metadata }) => metadata?.name === name)?.spec;
  const compared = name === 'exempt' && fixed?.exempt ? { ...spec, exempt: fixed.exempt } : spec;
  if (fixed && !sameJson(compared, fixed)) {
    const part = name === 'exempt' ? " except the 'spec.exempt' field" : '';
    errors.push(invalid('spec', spec, `spec of '${name}'${part} must equal the fixed value`));
  }
  return errors;
}

function checkShares(
  errors: Errors,
  path: string,
  { nominalConcurrencyShares: shares = 0, lendablePercent: lent = 0 }: LimitedPriorityLevelConfiguration,
): void {
  if (shares < 0)
    errors.push(invalid(`${path}.nominalConcurrencyShares`, shares, 'must be a non-negative integer'));
  if (lent < 0 || lent > 100) {
    errors.push(invalid(`${path}.lendablePercent`, lent, 'must be between 0 and 100, inclusive'));
  }
}

function checkLimited(errors: Errors, limited: LimitedPriorityLevelConfiguration): void {
  const path = 'spec.limited';
  checkShares(errors, path, limited);
  const { type = '', queuing } = limited.limitResponse ?? {};
  const response = `${path}.limitResponse`;
  if (type === 'Reject') {
    if (queuing) {
      const why = 'must be nil if limited.limitResponse.type is not Limited';
      errors.push(forbidden(`${response}.queuing`, why));
    }
  } else if (type !== 'Queue') {
    errors.push(notSupported(`${response}.type`, type, ['Queue', 'Reject']));
  } else if (queuing) {
    checkQueuing(errors, `${response}.queuing`, queuing);
  } else {
    errors.push(
      required(`${response}.queuing`, 'must not be empty if limited.limitResponse.type is Limited'),
    );
  }
  const borrowed = limited.borrowingLimitPercent ?? 0;
  if (borrowed < 0) {
    const why = 'if specified, must be a non-negative integer';
    errors.push(invalid(`${path}.borrowingLimitPercent`, borrowed, why));
  }
}

function checkQueuing(
  errors: Errors,
  path: string,
  {
    queues = 0,
    handSize = 0,
    queueLengthLimit = 0,
  }: { queues?: number; handSize?: number; queueLengthLimit?: number },
): void {
  if (queueLengthLimit <= 0)
    errors.push(invalid(`${path}.queueLengthLimit`, queueLengthLimit, 'must be positive'));
  if (queues <= 0) errors.push(invalid(`${path}.queues`, queues, 'must be positive'));
  else if (queues > 10_000_000) {
    errors.push(invalid(`${path}.queues`, queues, 'must not be greater than 10000000'));
  }
  const bits = entropyBits(queues, handSize);
  let why = '';
  if (handSize <= 0) why = 'must be positive';
  else if (handSize > queues) why = `should not be greater than queues (${queues})`;
  else if (bits > MAX_HASH_BITS) {
    why = `required entropy bits of deckSize ${queues} and handSize ${handSize} should not be greater than ${MAX_HASH_BITS}`;
  }
  if (why !== '') errors.push(invalid(`${path}.handSize`, handSize, why));
}

/** Each condition has a type, and each type one condition. */
export function checkConditions(conditions: ReadonlyArray<{ type?: string }> | undefined): FieldError[] {
  const seen = new Set<string>();
  return (conditions ?? []).flatMap(({ type = '' }, index) => {
    const path = `status.conditions[${index}].type`;
    const errors = [
      ...(seen.has(type) ? [duplicate(path, type)] : []),
      ...(type === '' ? [required(path)] : []),
    ];
    seen.add(type);
    return errors;
  });
}

const shown = (value: number | undefined): string => (value === undefined ? '<none>' : String(value));

export const prioritylevelconfigurations = define(PRIORITYLEVELCONFIGURATIONS, {
  strategy: { ...statusStrategy, defaults: setDefaults, validateCreate: validate, validateUpdate: validate },
  subresources: [
    bareStatusOf(({ status }: PriorityLevelConfiguration) => checkConditions(status?.conditions)),
  ],
  columns: [
    nameColumn(),
    column('Type', 'string', ({ spec }) => spec?.type ?? ''),
    column('NominalConcurrencyShares', 'string', ({ spec }) =>
      shown((spec?.limited ?? spec?.exempt)?.nominalConcurrencyShares),
    ),
    column('Queues', 'string', ({ spec }) => shown(spec?.limited?.limitResponse?.queuing?.queues)),
    column('HandSize', 'string', ({ spec }) => shown(spec?.limited?.limitResponse?.queuing?.handSize)),
    column('QueueLengthLimit', 'string', ({ spec }) =>
      shown(spec?.limited?.limitResponse?.queuing?.queueLengthLimit),
    ),
    ageColumn(),
  ],
});
