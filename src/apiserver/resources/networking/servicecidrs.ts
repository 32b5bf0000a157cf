import { SERVICECIDRS } from '../../../api/gen/resources.ts';
import type { ServiceCIDR } from '../../../api/gen/types/networking-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { bareStatusOf, define, statusStrategy } from '../define.ts';
import { checkFormat, FIELD_IMMUTABLE } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { ipFamily, strictCidrProblems } from '../validation/ip.ts';

const PATH = 'spec.cidrs';
const familyOf = (cidr: string): string => ipFamily(cidr.split('/')[0] ?? '');

/** Mirrors validateServiceCIDRSpec of pkg/apis/networking/validation/validation.go. */
function validate({ spec }: ServiceCIDR): FieldError[] {
  const cidrs = spec?.cidrs ?? [];
  if (cidrs.length === 0) return [required(PATH, 'at least one CIDR required')];
  if (cidrs.length > 2) return [invalid(PATH, { CIDRs: cidrs }, 'may only hold up to 2 values')];
  const errors: Errors = [];
  for (const [index, cidr] of cidrs.entries()) {
    checkFormat(errors, `${PATH}[${index}]`, cidr, strictCidrProblems(cidr));
  }
  const [first = '', second = ''] = cidrs.map(familyOf);
  if (cidrs.length === 2 && first === second && first !== '') {
    const why = 'may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64';
    errors.push(invalid(PATH, cidrs, why));
  }
  return errors;
}

/** A second family may come later; nothing else changes. */
function validateUpdate(range: ServiceCIDR, old: ServiceCIDR): FieldError[] {
  const [now, before] = [range.spec?.cidrs ?? [], old.spec?.cidrs ?? []];
  const errors: Errors = [];
  const becomesDual = before.length === 1 && now.length === 2;
  if (now.length !== before.length && !becomesDual) return [invalid(PATH, now, FIELD_IMMUTABLE)];
  for (const [index, cidr] of before.entries()) {
    if (now[index] !== cidr) errors.push(invalid(`${PATH}[${index}]`, now[index], FIELD_IMMUTABLE));
  }
  return becomesDual ? [...errors, ...validate(range)] : errors;
}

/** Mirrors pkg/registry/networking/servicecidr/strategy.go. */
export const servicecidrs = define(SERVICECIDRS, {
  strategy: { ...statusStrategy, generation: false, validateCreate: validate, validateUpdate },
  subresources: [bareStatusOf()],
  columns: [
    nameColumn(),
    column('CIDRs', 'string', ({ spec }) => (spec?.cidrs ?? []).join(',')),
    ageColumn(),
  ],
});
