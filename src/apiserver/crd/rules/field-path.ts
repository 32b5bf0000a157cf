import { child, key } from '../../field-error.ts';
import { additionalOf, propertyOf } from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';

const ESCAPES: Readonly<Record<string, string>> = {
  a: '\u0007',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  "'": "'",
  '\\': '\\',
};

/**
 * The field that a rule's fieldPath ('.spec.x', "['a b']") names below its schema, as errors write it;
 * undefined where it names none. Mirrors ValidFieldPath of apiextensions-apiserver
 * pkg/apiserver/schema/cel/validation.go.
 */
export function readFieldPath(text: string, root: SchemaNode): string | undefined {
  let rest = text;
  let node: SchemaNode | undefined = root;
  let path = '';
  while (rest !== '') {
    const step: RegExpExecArray | null = /^(?:\.([^.[\]]+)|\['((?:[^'\\]|\\.)*)'\])/.exec(rest);
    if (!step || !node) return undefined;
    const name: string | undefined = step[1] ?? unescapeQuoted(step[2] ?? '');
    if (name === undefined) return undefined;
    if (node.properties) {
      node = propertyOf(node, name);
      path = child(path, name);
    } else {
      node = additionalOf(node);
      path = key(path, name);
    }
    if (!node) return undefined;
    rest = rest.slice(step[0].length);
  }
  return path;
}

function unescapeQuoted(text: string): string | undefined {
  let isValid = true;
  const result = text.replaceAll(/\\(.)/gs, (_, char: string) => {
    const meant = ESCAPES[char];
    if (meant === undefined) isValid = false;
    return meant ?? '';
  });
  return isValid ? result : undefined;
}
