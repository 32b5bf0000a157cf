import { stringifyJson } from '../json/encode.ts';
import { isObject } from '../objects.ts';
import { goText } from '../patch/directives.ts';
import { itemElement, ItemError } from './list-items.ts';
import { formOf, memberType } from './merge-type.ts';
import type { MergeList, MergeMap, MergeType } from './merge-type.ts';
import { elementText, fieldElement } from './path-element.ts';
import type { PathElement } from './path-element.ts';

/**
 * What keeps a value from being of a type, in upstream's words ('.spec.x: field not declared in schema');
 * undefined where nothing does. Mirrors structured-merge-diff's typed/validate.go.
 */
export function checkTyped(
  value: unknown,
  type: MergeType,
  options: { allowDuplicates: boolean },
): string | undefined {
  const checker = new Checker(options.allowDuplicates);
  checker.walk(value, type);
  const { errors } = checker;
  if (errors.length === 0) return undefined;
  return errors.length === 1 ? errors[0] : ['errors:', ...errors.map((text) => `  ${text}`)].join('\n');
}

class Checker {
  readonly errors: string[] = [];
  readonly #allowDuplicates: boolean;
  readonly #path: PathElement[] = [];

  constructor(allowDuplicates: boolean) {
    this.#allowDuplicates = allowDuplicates;
  }

  walk(value: unknown, type: MergeType): void {
    const form = formOf(type, value);
    if (form === 'map') this.#map(value, type.map!);
    else if (form === 'list') this.#list(value, type.list!);
    else this.#scalar(value, type.scalar ?? 'untyped');
  }

  #fail(text: string): void {
    const path = this.#path.map(elementText).join('');
    this.errors.push(path === '' ? text : `${path}: ${text}`);
  }

  #scalar(value: unknown, scalar: NonNullable<MergeType['scalar']>): void {
    if (value === null || value === undefined) return;
    const isNumber = typeof value === 'number' || typeof value === 'bigint';
    if (scalar === 'numeric' && !isNumber) {
      this.#fail(`expected numeric (int or float), got ${goType(value)}`);
    } else if (scalar === 'string' && typeof value !== 'string') {
      this.#fail(`expected string, got &value.valueUnstructured{Value:${goSyntax(value)}}`);
    } else if (scalar === 'boolean' && typeof value !== 'boolean') {
      this.#fail(`expected boolean, got &{${goText(value)}}`);
    } else if (scalar === 'untyped' && typeof value === 'object') {
      this.#fail(`expected any scalar, got &{${goText(value)}}`);
    }
  }

  #list(value: unknown, list: MergeList): void {
    if (value === null || value === undefined) return;
    if (!Array.isArray(value)) {
      this.#fail(`expected list, got &{${goText(value)}}`);
      return;
    }
    const seen = new Set<PathElement>();
    for (const [index, item] of value.entries()) {
      let element: PathElement = `i:${index}`;
      if (!list.atomic) {
        try {
          element = itemElement(list, item);
        } catch (error) {
          if (!(error instanceof ItemError)) throw error;
          this.#fail(`element ${index}: ${error.message}`);
          return;
        }
        if (seen.has(element) && !this.#allowDuplicates) {
          this.#fail(`duplicate entries for key ${elementText(element)}`);
        }
        seen.add(element);
      }
      this.#path.push(element);
      this.walk(item, list.items);
      this.#path.pop();
    }
  }

  #map(value: unknown, map: MergeMap): void {
    if (value === null || value === undefined) return;
    if (!isObject(value)) {
      this.#fail(`expected map, got &{${goText(value)}}`);
      return;
    }
    for (const name of Object.keys(value)) {
      const type = memberType(map, name);
      this.#path.push(fieldElement(name));
      if (type) this.walk(value[name], type);
      else this.#fail('field not declared in schema');
      this.#path.pop();
      // Upstream gives up on a map at the first field that it does not know.
      if (!type) return;
    }
  }
}

function goType(value: unknown): string {
  if (Array.isArray(value)) return '[]interface {}';
  if (typeof value === 'object') return 'map[string]interface {}';
  return typeof value === 'boolean' ? 'bool' : typeof value;
}

/** A value as Go's %#v shows it, near enough for people. */
function goSyntax(value: unknown): string {
  if (Array.isArray(value)) return `[]interface {}{${value.map(goSyntax).join(', ')}}`;
  if (isObject(value)) {
    const members = Object.entries(value).map(([name, item]) => `${JSON.stringify(name)}:${goSyntax(item)}`);
    return `map[string]interface {}{${members.join(', ')}}`;
  }
  return stringifyJson(value);
}
