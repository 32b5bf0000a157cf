import type { ValidationRule } from '../../../api/gen/types/apiextensions-v1.ts';
import { additionalOf, isEmbedded, itemsOf, propertyOf } from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';
import { compileRules } from './compile-rules.ts';
import type { CompiledRule } from './compile-rules.ts';
import { escapeField } from './field-names.ts';
import { declare, withObjectMeta } from './schema-types.ts';
import type { Declared } from './schema-types.ts';

/** The rules of a schema and of what is within it, ready to be evaluated. */
export interface RuleNode {
  readonly schema: SchemaNode;
  readonly rules: readonly CompiledRule[];
  readonly usesOldSelf: boolean;
  readonly properties: ReadonlyMap<string, RuleNode>;
  readonly additional: RuleNode | undefined;
  readonly items: RuleNode | undefined;
  readonly allOf: readonly RuleNode[];
}

/** Compiles all rules of a version's schema; undefined where there are none. */
export function ruleTree(schema: SchemaNode): RuleNode | undefined {
  const declared = declare(schema, true);
  return declared && treeOf(schema, schema, true, declared);
}

/** Rules may also stand in allOf: `validation` has them, `node` the types. */
function treeOf(
  validation: SchemaNode,
  node: SchemaNode,
  isRoot: boolean,
  declared: Declared | undefined,
): RuleNode | undefined {
  const given: readonly ValidationRule[] = validation['x-kubernetes-validations'] ?? [];
  const rules = declared && given.length > 0 ? compileRules(given, node, declared) : [];
  const properties = new Map<string, RuleNode>();
  for (const [name, each] of Object.entries(validation.properties ?? {})) {
    const spine = propertyOf(node, name);
    const tree = spine && treeOf(each, spine, isEmbedded(spine), fieldOf(declared, name, spine));
    if (tree) properties.set(name, tree);
  }
  const items = nested(itemsOf(validation), itemsOf(node), declared);
  const additional = nested(additionalOf(validation), additionalOf(node), declared);
  const allOf = (validation.allOf ?? []).flatMap((each) => {
    const tree = treeOf(each, node, isRoot, declared);
    return tree ? [tree] : [];
  });
  if (rules.length + properties.size + allOf.length === 0 && !items && !additional) return undefined;
  return {
    schema: isRoot ? withObjectMeta(node) : node,
    rules,
    usesOldSelf: rules.some(({ usesOldSelf }) => usesOldSelf),
    properties,
    additional,
    items,
    allOf,
  };
}

function nested(
  validation: SchemaNode | undefined,
  node: SchemaNode | undefined,
  declared: Declared | undefined,
): RuleNode | undefined {
  return validation && node && treeOf(validation, node, isEmbedded(node), declared?.element);
}

/** A field whose name cannot be written in CEL has rules of its own all the same. */
function fieldOf(declared: Declared | undefined, name: string, node: SchemaNode): Declared | undefined {
  const escaped = escapeField(name);
  return escaped === undefined ? declare(node, isEmbedded(node)) : declared?.fields.get(escaped);
}
