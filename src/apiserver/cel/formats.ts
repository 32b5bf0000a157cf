import { declare, overload } from '../../cel/functions.ts';
import type { FunctionDeclaration } from '../../cel/functions.ts';
import { uriProblem } from '../../cel/kubernetes/url.ts';
import { CostlyFormat } from '../../cel/runtime-cost.ts';
import { nameType, struct } from '../../cel/types.ts';
import { ArrayList, Optional } from '../../cel/values.ts';
import type { Value } from '../../cel/values.ts';
import { hasFormat } from '../crd/formats.ts';
import {
  dns1035Label,
  dnsLabel,
  dnsSubdomain,
  labelValue,
  qualifiedName,
} from '../resources/validation/formats.ts';

const TYPE = nameType(struct('kubernetes.NamedFormat'));

type Validate = (text: string) => readonly string[];

class FormatValue extends CostlyFormat {
  override readonly type = TYPE;
  readonly name: string;
  readonly validate: Validate;
  override readonly maxRegexSize: number;

  constructor(name: string, validate: Validate, maxRegexSize: number) {
    super();
    this.name = name;
    this.validate = validate;
    this.maxRegexSize = maxRegexSize;
  }

  override equals(other: Value): boolean {
    return other instanceof FormatValue && this.name === other.name;
  }
}

/** A name that is only the beginning of one may end with a dash. */
function prefix(validate: Validate): Validate {
  return (text) => validate(text.endsWith('-') ? `${text.slice(0, -1)}a` : text);
}

function known(format: string, problem: string): Validate {
  return (text) => (hasFormat(format, text) ? [] : [problem]);
}

const uri: Validate = (text) => {
  const problem = uriProblem(text);
  return problem === undefined ? [] : [problem];
};

// The numbers are what upstream takes for the length of the pattern behind a format.
const FORMATS: ReadonlyMap<string, FormatValue> = new Map([
  ['dns1123Label', new FormatValue('DNS1123Label', dnsLabel, 30)],
  ['dns1123Subdomain', new FormatValue('DNS1123Subdomain', dnsSubdomain, 60)],
  ['dns1035Label', new FormatValue('DNS1035Label', dns1035Label, 30)],
  ['qualifiedName', new FormatValue('QualifiedName', qualifiedName, 60)],
  ['dns1123LabelPrefix', new FormatValue('DNS1123LabelPrefix', prefix(dnsLabel), 30)],
  ['dns1123SubdomainPrefix', new FormatValue('DNS1123SubdomainPrefix', prefix(dnsSubdomain), 60)],
  ['dns1035LabelPrefix', new FormatValue('DNS1035LabelPrefix', prefix(dns1035Label), 30)],
  ['labelValue', new FormatValue('LabelValue', labelValue, 40)],
  ['uri', new FormatValue('URI', uri, 1103)],
  ['uuid', new FormatValue('uuid', known('uuid', 'does not match the UUID format'), 70)],
  ['byte', new FormatValue('byte', known('byte', 'invalid base64'), 84)],
  ['date', new FormatValue('date', known('date', 'invalid date'), 71)],
  ['datetime', new FormatValue('datetime', known('datetime', 'invalid datetime'), 71)],
]);

function validate(format: FormatValue, text: string): Optional {
  const problems = format.validate(text);
  return problems.length === 0 ? Optional.NONE : new Optional(new ArrayList([...problems]));
}

const F = 'kubernetes.NamedFormat';

/** Formats by their name. Mirrors apiserver pkg/cel/library/format.go. */
export const FORMAT_FUNCTIONS: readonly FunctionDeclaration[] = [
  declare(
    'validate',
    overload('format-validate', `${F}.(string) -> optional_type(list(string))`, (a, b) =>
      validate(a as FormatValue, b as string),
    ),
  ),
  declare(
    'format.named',
    overload('format-named', `(string) -> optional_type(${F})`, (a) => {
      const format = FORMATS.get(a as string);
      return format ? new Optional(format) : Optional.NONE;
    }),
  ),
  ...[...FORMATS].map(([name, format]) =>
    declare(
      `format.${name}`,
      overload(`format.${name}`, `() -> ${F}`, () => format),
    ),
  ),
];
