import { SlipwayError } from '../base/errors.ts';
import { lexSelector, type Token } from './label-lexer.ts';
import { checkLabelValue, checkQualifiedName } from './names.ts';

export type LabelOperator = '=' | '==' | '!=' | 'in' | 'notin' | 'exists' | '!' | 'gt' | 'lt';

export interface LabelRequirement {
  readonly key: string;
  readonly operator: LabelOperator;
  /** Sorted, without duplicates. */
  readonly values: readonly string[];
}

/** All requirements must hold; none at all match everything. undefined stands for "matches nothing". */
export type LabelSelector = readonly LabelRequirement[];

type Labels = Readonly<Record<string, string>> | undefined;

/** The text is no label selector. Messages are upstream's (apimachinery's pkg/labels/selector.go). */
export class SelectorError extends SlipwayError {
  constructor(message: string) {
    super('E_SELECTOR', message, { hint: "write 'app=web,tier in (a,b),!old'" });
  }
}

const BINARY = 'in, notin, =, ==, !=, gt, lt';

/** Reads 'a=b,c!=d,e in (x,y),f,!g'. Throws SelectorError. */
export function parseLabelSelector(text: string): LabelSelector {
  return new Parser(lexSelector(text)).parse();
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  /** 'in' and 'notin' are words like others where a value or key may stand. */
  #peek(asWord = true): Token {
    const token = this.#tokens[this.#at] ?? { type: 'end', text: '' };
    return asWord && (token.type === 'in' || token.type === 'notin')
      ? { type: 'word', text: token.text }
      : token;
  }

  #take(asWord = true): Token {
    const token = this.#peek(asWord);
    this.#at++;
    return token;
  }

  parse(): LabelSelector {
    const requirements: LabelRequirement[] = [];
    for (;;) {
      const { type, text } = this.#peek();
      if (type === 'end') return requirements;
      if (type !== 'word' && type !== '!') {
        throw new SelectorError(`found '${text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      const next = this.#take();
      if (next.type === 'end') return requirements;
      if (next.type !== ',')
        throw new SelectorError(`found '${next.text}', expected: ',' or 'end of string'`);
      const after = this.#peek();
      if (after.type !== 'word' && after.type !== '!') {
        throw new SelectorError(`found '${after.text}', expected: identifier after ','`);
      }
    }
  }

  #requirement(): LabelRequirement {
    try {
      return this.#readRequirement();
    } catch (error) {
      if (error instanceof SelectorError)
        throw new SelectorError(`unable to parse requirement: ${error.message}`);
      throw error;
    }
  }

  #readRequirement(): LabelRequirement {
    let token = this.#take();
    const isNegated = token.type === '!';
    if (isNegated) token = this.#take();
    if (token.type !== 'word') throw new SelectorError(`found '${token.text}', expected: identifier`);
    const key = token.text;
    const wrong = checkQualifiedName(key);
    if (wrong.length > 0)
      throw new SelectorError(`<nil>: Invalid value: ${JSON.stringify(key)}: ${wrong.join('; ')}`);
    const next = this.#peek();
    if (isNegated) return newRequirement(key, '!', []);
    if (next.type === 'end' || next.type === ',') return newRequirement(key, 'exists', []);
    const operator = this.#operator();
    const values = operator === 'in' || operator === 'notin' ? this.#values() : [this.#exactValue()];
    return newRequirement(key, operator, [...new Set(values)].toSorted(compareText));
  }

  #operator(): LabelOperator {
    const { type, text } = this.#take(false);
    if (type === 'in' || type === 'notin' || type === '=' || type === '==' || type === '!=') return type;
    if (type === '>') return 'gt';
    if (type === '<') return 'lt';
    throw new SelectorError(`found '${text}', expected: ${BINARY}`);
  }

  #values(): string[] {
    const open = this.#take();
    if (open.type !== '(') throw new SelectorError(`found '${open.text}' expected: '('`);
    const first = this.#peek();
    if (first.type === ')') {
      this.#take();
      return [''];
    }
    if (first.type !== 'word' && first.type !== ',') {
      throw new SelectorError(`found '${first.text}', expected: ',', ')' or identifier`);
    }
    const values: string[] = [];
    for (;;) {
      const token = this.#take();
      if (token.type === 'word') {
        values.push(token.text);
        const next = this.#peek();
        if (next.type === ')') break;
        if (next.type !== ',') throw new SelectorError(`found '${next.text}', expected: ',' or ')'`);
      } else if (token.type === ',') {
        if (values.length === 0) values.push('');
        const next = this.#peek();
        if (next.type === ',' || next.type === ')') values.push('');
        if (next.type === ')') break;
      } else {
        throw new SelectorError(`found '${token.text}', expected: ',', or identifier`);
      }
    }
    this.#take();
    return values;
  }

  #exactValue(): string {
    const next = this.#peek();
    if (next.type === 'end' || next.type === ',') return '';
    const token = this.#take();
    if (token.type !== 'word') throw new SelectorError(`found '${token.text}', expected: identifier`);
    return token.text;
  }
}

function compareText(a: string, b: string): number {
  return a === b ? 0 : a < b ? -1 : 1;
}

/** A requirement with its key and values checked. Throws SelectorError. */
export function newRequirement(
  key: string,
  operator: LabelOperator,
  values: readonly string[],
): LabelRequirement {
  const errors: string[] = [];
  const wrong = checkQualifiedName(key);
  if (wrong.length > 0) errors.push(`key: Invalid value: ${JSON.stringify(key)}: ${wrong.join('; ')}`);
  if ((operator === 'in' || operator === 'notin') && values.length === 0) {
    errors.push("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  }
  if (operator === 'gt' || operator === 'lt') {
    for (const [index, value] of values.entries()) {
      if (parseInt64(value) === undefined) {
        errors.push(
          `values[${index}]: Invalid value: ${JSON.stringify(value)}: for 'Gt', 'Lt' operators, the value must be an integer`,
        );
      }
    }
  }
  for (const [index, value] of values.entries()) {
    const found = checkLabelValue(value);
    if (found.length > 0) {
      errors.push(`values[${index}][${key}]: Invalid value: ${JSON.stringify(value)}: ${found.join('; ')}`);
    }
  }
  if (errors.length > 0) throw new SelectorError(errors.length === 1 ? errors[0]! : `[${errors.join(', ')}]`);
  return { key, operator, values };
}

function parseInt64(text: string): bigint | undefined {
  return /^[+-]?\d+$/.test(text) ? BigInt(text.replace(/^\+/, '')) : undefined;
}

/** Whether the labels meet every requirement; an undefined selector matches nothing. */
export function matchesLabels(selector: LabelSelector | undefined, labels: Labels): boolean {
  return selector !== undefined && selector.every((requirement) => meets(requirement, labels));
}

function meets({ key, operator, values }: LabelRequirement, labels: Labels): boolean {
  const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
  if (operator === '!=' || operator === 'notin') return value === undefined || !values.includes(value);
  if (operator === '!') return value === undefined;
  if (value === undefined) return false;
  if (operator === 'exists') return true;
  if (operator !== 'gt' && operator !== 'lt') return values.includes(value);
  const [has, wants] = [parseInt64(value), parseInt64(values[0] ?? '')];
  if (has === undefined || wants === undefined) return false;
  return operator === 'gt' ? has > wants : has < wants;
}

/** meta/v1 LabelSelector, as far as it is read here. */
interface LabelSelectorObject {
  readonly matchLabels?: Readonly<Record<string, string>>;
  readonly matchExpressions?: ReadonlyArray<{
    readonly key: string;
    readonly operator: string;
    readonly values?: readonly string[];
  }>;
}

const OBJECT_OPERATORS: ReadonlyMap<string, LabelOperator> = new Map([
  ['In', 'in'],
  ['NotIn', 'notin'],
  ['Exists', 'exists'],
  ['DoesNotExist', '!'],
]);

/**
 * The selector of a LabelSelector object: absent matches nothing (undefined), empty matches everything.
 * Throws SelectorError. Mirrors apimachinery's metav1.LabelSelectorAsSelector.
 */
export function selectorFromObject(
  object: LabelSelectorObject | undefined | null,
): LabelSelector | undefined {
  if (object === undefined || object === null) return undefined;
  const requirements = Object.entries(object.matchLabels ?? {}).map(([key, value]) =>
    newRequirement(key, '=', [value]),
  );
  for (const { key, operator, values } of object.matchExpressions ?? []) {
    const known = OBJECT_OPERATORS.get(operator);
    if (known === undefined)
      throw new SelectorError(`${JSON.stringify(operator)} is not a valid label selector operator`);
    if ((known === 'exists' || known === '!') && (values?.length ?? 0) > 0) {
      throw new SelectorError(
        'values: Invalid value: values set must be empty for exists and does not exist',
      );
    }
    requirements.push(newRequirement(key, known, values ?? []));
  }
  return requirements.toSorted((a, b) => compareText(a.key, b.key));
}

/** The selector that wants exactly these labels, unchecked: what a Service or ReplicationController has. */
export function selectorFromLabels(labels: Labels): LabelSelector {
  return Object.entries(labels ?? {})
    .map(([key, value]): LabelRequirement => ({ key, operator: '=', values: [value] }))
    .toSorted((a, b) => compareText(a.key, b.key));
}

/** The text of a selector, as parseLabelSelector reads it. */
export function formatLabelSelector(selector: LabelSelector): string {
  return selector.map(formatRequirement).join(',');
}

function formatRequirement({ key, operator, values }: LabelRequirement): string {
  if (operator === 'exists') return key;
  if (operator === '!') return `!${key}`;
  if (operator === 'in' || operator === 'notin') return `${key} ${operator} (${values.join(',')})`;
  const sign = operator === 'gt' ? '>' : operator === 'lt' ? '<' : operator;
  return `${key}${sign}${values[0] ?? ''}`;
}
