import { SelectorError } from './label-selector.ts';

export interface FieldRequirement {
  /** 'metadata.name', 'spec.nodeName' … */
  readonly field: string;
  readonly operator: '=' | '!=';
  readonly value: string;
}

/** All requirements must hold; none match everything. */
export type FieldSelector = readonly FieldRequirement[];

/** Reads 'metadata.name=x,status.phase!=Running'; ',', '=' and '\' in values are escaped. Throws SelectorError. */
export function parseFieldSelector(text: string): FieldSelector {
  return splitTerms(text)
    .toSorted((a, b) => (a === b ? 0 : a < b ? -1 : 1))
    .filter((term) => term !== '')
    .map((term): FieldRequirement => {
      const match = /^(.*?)(!=|==|=)(.*)$/s.exec(term);
      if (!match) throw new SelectorError(`invalid selector: '${text}'; can't understand '${term}'`);
      const [, field = '', operator, value = ''] = match;
      return { field, operator: operator === '!=' ? '!=' : '=', value: unescapeValue(value) };
    });
}

function splitTerms(text: string): string[] {
  const terms: string[] = [];
  let start = 0;
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '\\') {
      index++;
    } else if (text[index] === ',') {
      terms.push(text.slice(start, index));
      start = index + 1;
    }
  }
  terms.push(text.slice(start));
  return terms;
}

function unescapeValue(text: string): string {
  if (!/[\\,=]/.test(text)) return text;
  let value = '';
  for (let index = 0; index < text.length; index++) {
    const character = text[index]!;
    if (character === '\\') {
      const next = text[++index];
      if (next !== '\\' && next !== ',' && next !== '=') {
        throw new SelectorError(`invalid field selector: invalid escape sequence: \\${next ?? ''}`);
      }
      value += next;
    } else if (character === ',' || character === '=') {
      throw new SelectorError(
        `invalid field selector: unescaped character in value: ${character.codePointAt(0)}`,
      );
    } else {
      value += character;
    }
  }
  return value;
}

/** Writes a value so that parseFieldSelector reads it back. */
export function escapeFieldValue(value: string): string {
  return value.replaceAll(/[\\,=]/g, String.raw`\$&`);
}

export function formatFieldSelector(selector: FieldSelector): string {
  return selector
    .map(({ field, operator, value }) => `${field}${operator}${escapeFieldValue(value)}`)
    .join(',');
}

/** Whether an object's selectable fields meet every requirement; a field that is absent is ''. */
export function matchesFields(
  selector: FieldSelector,
  valueOf: (field: string) => string | undefined,
): boolean {
  return selector.every(
    ({ field, operator, value }) => ((valueOf(field) ?? '') === value) === (operator === '='),
  );
}

/** The value that the selector wants a field to have exactly, or undefined. */
export function exactField(selector: FieldSelector, field: string): string | undefined {
  return selector.find((entry) => entry.field === field && entry.operator === '=')?.value;
}
