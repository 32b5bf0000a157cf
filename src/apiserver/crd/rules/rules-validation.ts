import type { ValidationRule } from '../../../api/gen/types/apiextensions-v1.ts';
import { UNBOUNDED } from '../../../cel/estimate.ts';
import { at, child, forbidden, invalid, key, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { additionalOf, isEmbedded, itemsOf } from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';
import { compileRules } from './compile-rules.ts';
import type { CompiledRule } from './compile-rules.ts';
import { escapeField } from './field-names.ts';
import { readFieldPath } from './field-path.ts';
import { declare } from './schema-types.ts';
import type { Declared } from './schema-types.ts';

const RULES = 'x-kubernetes-validations';
const REASONS = ['FieldValueDuplicate', 'FieldValueForbidden', 'FieldValueInvalid', 'FieldValueRequired'];
/** The most that one rule may be estimated to cost, and all rules of a schema. */
const RULE_LIMIT = 10_000_000;
const TOTAL_LIMIT = 100_000_000;
const MOST_EXPENSIVE = 4;

/** What a rule says beside its expression. Mirrors apiextensions-apiserver pkg/apis/apiextensions/validation. */
export function validateRuleTexts(node: SchemaNode, path: string): FieldError[] {
  return (node[RULES] ?? []).flatMap((rule, index) =>
    validateTexts(rule, node, at(child(path, RULES), index)),
  );
}

function validateTexts(
  { rule, message = '', messageExpression = '', reason, fieldPath = '' }: ValidationRule,
  node: SchemaNode,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const hasNewlines = (text: string): boolean => /[\n\r]/.test(text);
  const trimmed = message.trim();
  if (rule.trim() === '') errors.push(required(child(path, 'rule'), 'rule is not specified'));
  else if (message !== '' && trimmed === '') {
    errors.push(invalid(child(path, 'message'), message, 'must be non-empty if specified'));
  } else if (hasNewlines(trimmed)) {
    errors.push(invalid(child(path, 'message'), message, 'must not contain line breaks'));
  } else if (hasNewlines(rule.trim()) && trimmed === '') {
    errors.push(required(child(path, 'message'), 'message must be specified if rule contains line breaks'));
  }
  if (messageExpression !== '' && messageExpression.trim() === '') {
    errors.push(
      required(child(path, 'messageExpression'), 'messageExpression must be non-empty if specified'),
    );
  }
  if (reason !== undefined && !REASONS.includes(reason)) {
    errors.push(notSupported(child(path, 'reason'), reason, REASONS));
  }
  const where = child(path, 'fieldPath');
  if (fieldPath !== '' && fieldPath.trim() === '')
    errors.push(invalid(where, fieldPath, 'must be non-empty if specified'));
  if (hasNewlines(fieldPath)) errors.push(invalid(where, fieldPath, 'must not contain line breaks'));
  if (fieldPath !== '' && readFieldPath(fieldPath, node) === undefined) {
    errors.push(invalid(where, fieldPath, 'must be a valid path'));
  }
  return errors;
}

/**
 * Compiles the rules of a whole schema and estimates what they may cost. `known` are the rules that the
 * definition had before: that they are expensive was accepted. `schemaErrors` are what is wrong with the schema:
 * rules above such places are left out, for their types could not be told.
 */
export function validateRuleExpressions(
  root: SchemaNode,
  path: string,
  schemaErrors: readonly FieldError[],
  hasOldCosts: boolean,
): FieldError[] {
  const walker = new RuleWalker(schemaErrors, hasOldCosts);
  walker.walk(root, path, { declared: declare(root, true), cardinality: 1, uncorrelatable: undefined });
  return [...walker.errors, ...walker.totalErrors(path)];
}

interface Place {
  readonly declared: Declared | undefined;
  /** How often a value of this schema can be in an object; undefined where nothing bounds it. */
  readonly cardinality: number | undefined;
  /** The list or map whose parts before and after a change cannot be told to be the same. */
  readonly uncorrelatable: string | undefined;
}

class RuleWalker {
  readonly errors: FieldError[] = [];
  readonly #schemaErrors: readonly FieldError[];
  readonly #ignoresCost: boolean;
  readonly #costs: Array<{ path: string; cost: number }> = [];
  #total = 0;

  constructor(schemaErrors: readonly FieldError[], ignoresCost: boolean) {
    this.#schemaErrors = schemaErrors;
    this.#ignoresCost = ignoresCost;
  }

  walk(node: SchemaNode, path: string, place: Place): void {
    const mapType = node['x-kubernetes-map-type'];
    const isKeyed =
      node['x-kubernetes-list-type'] === 'map' && (node['x-kubernetes-list-map-keys'] ?? []).length > 0;
    const isCorrelatable = [undefined, 'granular', 'atomic'].includes(mapType);
    const inner = {
      cardinality: multiplied(place.cardinality, maxElements(node)),
      uncorrelatable: place.uncorrelatable ?? (isCorrelatable ? undefined : path),
    };
    const additional = additionalOf(node);
    if (additional) {
      this.walk(additional, child(path, 'additionalProperties'), {
        ...inner,
        declared: place.declared?.element,
      });
    }
    for (const [name, property] of Object.entries(node.properties ?? {})) {
      const escaped = escapeField(name);
      const declared =
        (escaped === undefined ? undefined : place.declared?.fields.get(escaped)) ??
        declare(property, isEmbedded(property));
      this.walk(property, key(child(path, 'properties'), name), { ...inner, declared });
    }
    const items = itemsOf(node);
    if (items) {
      const uncorrelatable = place.uncorrelatable ?? (isKeyed ? undefined : path);
      this.walk(items, child(path, 'items'), { ...inner, uncorrelatable, declared: place.declared?.element });
    }
    this.#rules(node, path, place);
  }

  #rules(node: SchemaNode, path: string, place: Place): void {
    const rules = node[RULES] ?? [];
    if (rules.length === 0 || this.#schemaErrors.some(({ field }) => field.startsWith(path))) return;
    const where = child(path, RULES);
    if (!place.declared) {
      const why =
        'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations';
      this.errors.push({ type: 'InternalError', field: where, detail: why });
      return;
    }
    for (const [index, compiled] of compileRules(rules, node, place.declared).entries()) {
      this.#rule(compiled, at(where, index), place);
    }
  }

  #rule(compiled: CompiledRule, path: string, { cardinality, uncorrelatable }: Place): void {
    const { rule, problem, messageProblem, message, messageMaxCost } = compiled;
    const cost = Math.min(compiled.maxCost * (cardinality ?? compiled.maxCardinality), UNBOUNDED);
    this.#charge(child(path, 'rule'), 'estimated rule cost', cost);
    if (problem !== undefined) this.errors.push(invalid(child(path, 'rule'), shownRule(rule), problem));
    const messagePath = child(path, 'messageExpression');
    if (messageProblem !== undefined) this.errors.push(invalid(messagePath, shownRule(rule), messageProblem));
    else if (message) this.#charge(messagePath, 'estimated messageExpression cost', messageMaxCost);
    if (compiled.usesOldSelf) {
      if (uncorrelatable !== undefined) {
        const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`;
        this.errors.push(invalid(child(path, 'rule'), rule.rule, why));
      }
    } else if (rule.optionalOldSelf !== undefined) {
      const why = 'may not be set if oldSelf is not used in rule';
      this.errors.push(invalid(child(path, 'optionalOldSelf'), rule.optionalOldSelf, why));
    }
  }

  #charge(path: string, what: string, cost: number): void {
    if (!this.#ignoresCost && cost > RULE_LIMIT) {
      this.errors.push(forbidden(path, costMessage(what, cost, RULE_LIMIT)));
    }
    this.#total = Math.min(this.#total + cost, UNBOUNDED);
    if (cost >= TOTAL_LIMIT / 100) this.#costs.push({ path, cost });
  }

  totalErrors(path: string): FieldError[] {
    if (this.#total <= TOTAL_LIMIT) return [];
    const why = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema';
    const most = this.#costs.toSorted((a, b) => b.cost - a.cost).slice(0, MOST_EXPENSIVE);
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema';
    return [
      ...most.map((each) => forbidden(each.path, why)),
      forbidden(path, costMessage(what, this.#total, TOTAL_LIMIT)),
    ];
  }
}

/** How often the parts of a value can be in it. */
function maxElements(node: SchemaNode): number | undefined {
  if (node.type === 'array') return node.maxItems === undefined ? undefined : Math.max(0, node.maxItems);
  if (node.type !== 'object' || node.additionalProperties === undefined) return 1;
  return node.maxProperties === undefined ? undefined : Math.max(0, node.maxProperties);
}

function multiplied(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? undefined : Math.min(a * b, UNBOUNDED);
}

function costMessage(what: string, cost: number, limit: number): string {
  const factor = cost / limit;
  const shown =
    factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`;
  return `${what} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`;
}

/** As Go's struct prints: with all its fields. */
function shownRule({
  rule,
  message = '',
  messageExpression = '',
  reason,
  fieldPath = '',
  optionalOldSelf,
}: ValidationRule) {
  return {
    Rule: rule,
    Message: message,
    MessageExpression: messageExpression,
    Reason: reason ?? null,
    FieldPath: fieldPath,
    OptionalOldSelf: optionalOldSelf ?? null,
  };
}
