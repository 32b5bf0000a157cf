import { readFile } from 'node:fs/promises';
import { isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { checkRules, type Fault } from './rules.ts';
import { inventorySchema, type Inventory } from './schema.ts';

/** Reads and checks an inventory file. E_INVENTORY lists every fault with its line, field, value and rule. */
export async function loadInventory(path: string): Promise<Inventory> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(cause)}`;
    throw new SlipwayError('E_INVENTORY', `the inventory ${path} ${why}`, {
      cause,
      hint: 'name the file with --inventory; inventories/ has examples',
    });
  }
  return parseInventory(text, path);
}

/** The same for text; `path` is for messages. */
export function parseInventory(text: string, path: string): Inventory {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  if (document.errors.length > 0) {
    throw refuse(
      path,
      document.errors.map((error) => `${path}:${lines.linePos(error.pos[0]).line}: ${error.message}`),
    );
  }
  const value: unknown = document.toJS() ?? {};
  const result = inventorySchema.safeParse(value);
  const faults = result.success
    ? checkRules(result.data)
    : result.error.issues.flatMap((issue) => faultsOf(issue, value));
  if (result.success && faults.length === 0) return result.data;
  throw refuse(
    path,
    faults.map((fault) => {
      const line = lineOf(document, lines, fault.path);
      return `${path}${line === undefined ? '' : `:${line}`}: ${fieldName(fault.path)}${fault.message}`;
    }),
  );
}

function refuse(path: string, faults: string[]): SlipwayError {
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`;
  return new SlipwayError('E_INVENTORY', `the inventory ${path} has ${count}:\n  ${faults.join('\n  ')}`, {
    hint: 'correct the fields named above; nothing was changed on any server',
  });
}

/** 'servers[1].address: ' as people write it; '' for the whole document. */
function fieldName(path: ReadonlyArray<string | number>): string {
  const name = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('');
  return name === '' ? '' : `${name.replace(/^\./, '')}: `;
}

function valueAt(value: unknown, path: ReadonlyArray<string | number>): unknown {
  return path.reduce<unknown>(
    (at, part) =>
      typeof at === 'object' && at !== null ? (at as Record<string | number, unknown>)[part] : undefined,
    value,
  );
}

/** zod's issue in the words of a person: each unknown key is a fault of its own, and the value is shown. */
function faultsOf(issue: z.core.$ZodIssue, value: unknown): Fault[] {
  const path = issue.path.filter((part) => typeof part !== 'symbol');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path: [...path, key], message: 'is not a field of the inventory' }));
  }
  if (issue.code === 'invalid_key')
    return [{ path, message: issue.issues.map(({ message }) => message).join('; ') }];
  const found = valueAt(value, path);
  if (found === undefined) return [{ path, message: 'is missing' }];
  const shown = typeof found === 'object' ? '' : `${JSON.stringify(found)} `;
  if (issue.code === 'invalid_value') {
    return [{ path, message: `${shown}must be one of ${issue.values.map(String).join(', ')}` }];
  }
  const rule = issue.message.startsWith('must ') ? issue.message : `is wrong: ${issue.message}`;
  return [{ path, message: `${shown}${rule}` }];
}

/** The line of the field, or of the nearest part of its path that is there. */
function lineOf(
  document: Document,
  lines: LineCounter,
  path: ReadonlyArray<string | number>,
): number | undefined {
  for (let length = path.length; length >= 0; length -= 1) {
    const offset = offsetOf(document, path.slice(0, length));
    if (offset !== undefined) return lines.linePos(offset).line;
  }
  return undefined;
}

function offsetOf(document: Document, path: ReadonlyArray<string | number>): number | undefined {
  const last = path.at(-1);
  const parent: unknown = path.length === 0 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (last === undefined) return isNode(parent) ? parent.range?.[0] : undefined;
  if (isMap(parent)) {
    // The key's own place: the value may be missing.
    const pair = parent.items.find(({ key }) => isScalar(key) && key.value === last);
    return isScalar(pair?.key) ? pair.key.range?.[0] : undefined;
  }
  if (!isSeq(parent)) return undefined;
  const item = parent.items[Number(last)];
  return isNode(item) ? item.range?.[0] : undefined;
}
