import { isObject } from '../../../api/objects.ts';
import { sameValue } from '../../../api/apply/typed-value.ts';
import type { Activation } from '../../../cel/frame.ts';
import { CostExceeded, EvaluationError } from '../../../cel/issues.ts';
import { Optional } from '../../../cel/values.ts';
import type { Value } from '../../../cel/values.ts';
import { EXPRESSIONS_BUDGET, OUT_OF_BUDGET, PER_CALL_LIMIT } from '../../cel/base-environment.ts';
import {
  at,
  child,
  duplicate,
  fieldErrorText,
  forbidden,
  invalid,
  key,
  OMIT_VALUE,
  required,
} from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { additionalOf, propertyOf } from '../schema-node.ts';
import type { SchemaNode } from '../schema-node.ts';
import type { CompiledRule } from './compile-rules.ts';
import { evaluateMessage } from './rule-message.ts';
import type { RuleNode } from './rule-tree.ts';
import { converterOf } from './schema-values.ts';

/** A value before the change, as far as the two belong together. */
interface Correlation {
  readonly value: unknown;
  readonly old: unknown;
}

interface Place {
  readonly path: string;
  /** What `oldSelf` is; undefined where there is nothing to compare with. */
  readonly old: unknown;
  /** For ratcheting: the pair of this value, and the nearest above it that has one. */
  readonly own: Correlation | undefined;
  readonly above: Correlation | undefined;
}

/** No more rules are evaluated. */
class Stop extends Error {}

/**
 * Evaluates the rules of a custom object, all of them within one budget. Failures of what has not changed
 * since are told to `warn` alone. Mirrors apiextensions-apiserver pkg/apiserver/schema/cel/validation.go.
 */
export function validateByRules(
  root: RuleNode,
  object: unknown,
  old: unknown,
  warn: (text: string) => void,
): FieldError[] {
  const run = new RuleRun(warn);
  const pair = old === undefined ? undefined : { value: object, old };
  try {
    run.validate(root, object, { path: '', old, own: pair, above: undefined });
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
  }
  return run.errors;
}

class RuleRun {
  readonly errors: FieldError[] = [];
  readonly #warn: (text: string) => void;
  #budget = EXPRESSIONS_BUDGET;

  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  validate(node: RuleNode, value: unknown, place: Place): void {
    if (value === null || value === undefined) return;
    this.#rules(node, value, place);
    for (const each of node.allOf) this.validate(each, value, { ...place, own: undefined });
    if (Array.isArray(value)) this.#items(node, value, place);
    else if (isObject(value)) this.#members(node, value, place);
  }

  #members(node: RuleNode, value: Record<string, unknown>, place: Place): void {
    const isCorrelatable = [undefined, 'granular', 'atomic'].includes(node.schema['x-kubernetes-map-type']);
    const old = isCorrelatable && isObject(place.old) ? place.old : {};
    for (const [name, each] of Object.entries(value)) {
      const next = node.additional ?? node.properties.get(name);
      if (!next) continue;
      const path = node.additional ? key(place.path, name) : child(place.path, name);
      const before = Object.hasOwn(old, name) ? old[name] : undefined;
      this.validate(next, each, { path, old: before, ...correlateMember(node.schema, place, name, each) });
    }
  }

  #items(node: RuleNode, value: readonly unknown[], place: Place): void {
    const { items } = node;
    if (!items) return;
    const keys =
      node.schema['x-kubernetes-list-type'] === 'map'
        ? (node.schema['x-kubernetes-list-map-keys'] ?? [])
        : [];
    const old =
      keys.length > 0 && Array.isArray(place.old)
        ? new Map(place.old.map((each) => [keyOf(each, keys), each]))
        : undefined;
    for (const [index, each] of value.entries()) {
      const before: unknown = old?.get(keyOf(each, keys));
      const above = place.own ?? place.above;
      const own = place.own && before !== undefined ? { value: each, old: before } : undefined;
      this.validate(items, each, { path: at(place.path, index), old: before, own, above });
    }
  }

  #rules({ schema, rules, usesOldSelf }: RuleNode, value: unknown, place: Place): void {
    const { path } = place;
    if (rules.length === 0) return;
    if (this.#budget <= 0) this.#stop(invalid(shown(path), schema.type, OUT_OF_BUDGET));
    const self = activations(schema, value, usesOldSelf ? place.old : undefined, usesOldSelf);
    for (const compiled of rules) this.#rule(compiled, schema, value, place, self);
  }

  #stop(error: FieldError): never {
    this.errors.push(error);
    throw new Stop();
  }

  #rule(compiled: CompiledRule, schema: SchemaNode, value: unknown, place: Place, self: Activations): void {
    const { rule, program, problem, usesOldSelf } = compiled;
    const path = shown(place.path);
    if (problem !== undefined) {
      this.errors.push(invalid(path, schema.type, `rule compile error: ${problem}`));
    }
    if (!program) return;
    // Transition rules are for what was there before; unless they say that they can do without.
    if (usesOldSelf && place.old === undefined && !rule.optionalOldSelf) return;
    try {
      const { value: result, cost } = program.evaluate(
        rule.optionalOldSelf ? self.optional : self.plain,
        PER_CALL_LIMIT,
      );
      this.#spend(cost, invalid(path, schema.type, OUT_OF_BUDGET));
      if (result === true) return;
    } catch (error) {
      this.#failed(error, rule, path, schema);
      return;
    }
    this.#violated(compiled, schema, value, place, self.plain);
  }

  #spend(cost: number, otherwise: FieldError): void {
    if (cost > this.#budget) this.#stop(otherwise);
    this.#budget -= cost;
  }

  #failed(error: unknown, rule: CompiledRule['rule'], path: string, { type }: SchemaNode): void {
    const text = ruleText(rule);
    if (error instanceof CostExceeded) {
      const why = `'${error.message}': no further validation rules will be run due to call cost exceeds limit for rule: ${text}`;
      this.#stop(invalid(path, type, why));
    }
    if (!(error instanceof EvaluationError)) throw error;
    const why = error.message.startsWith('no such overload')
      ? `'${error.message}': call arguments did not match a supported operator, function or macro signature for rule: ${text}`
      : `${error.message} evaluating rule: ${text}`;
    this.errors.push(invalid(path, type, why));
  }

  #violated(
    compiled: CompiledRule,
    schema: SchemaNode,
    value: unknown,
    place: Place,
    activation: Activation,
  ): void {
    const { rule, usesOldSelf, message, fieldPath } = compiled;
    const path = shown(fieldPath === '' ? place.path : joined(place.path, fieldPath));
    const isUnchanged = !usesOldSelf && unchanged(place.own ?? place.above);
    const tell = (error: FieldError): void => {
      if (isUnchanged) this.#warn(fieldErrorText(error));
      else this.errors.push(error);
    };
    let detail: string | undefined;
    if (message) {
      const answer = evaluateMessage(message, rule.messageExpression ?? '', activation, this.#budget);
      this.#budget -= answer.cost;
      if (answer.fatal !== undefined) {
        tell(invalid(path, schema.type, answer.fatal));
        throw new Stop();
      }
      detail = answer.text;
    }
    detail ??= rule.message ? rule.message.trim() : `failed rule: ${ruleText(rule)}`;
    const isWhole = schema.type === 'object' || schema.type === 'array';
    tell(errorFor(rule.reason, path, isWhole ? OMIT_VALUE : value, detail));
  }
}

/** Go prints the path of a whole object so. */
function shown(path: string): string {
  return path === '' ? '<nil>' : path;
}

function joined(path: string, below: string): string {
  return below.startsWith('[') ? `${path}${below}` : child(path, below);
}

function unchanged(pair: Correlation | undefined): boolean {
  return pair !== undefined && sameValue(pair.value, pair.old);
}

function ruleText({ message, rule }: { message?: string; rule: string }): string {
  return (message || rule).trim();
}

function errorFor(reason: string | undefined, path: string, value: unknown, detail: string): FieldError {
  switch (reason) {
    case 'FieldValueForbidden':
      return forbidden(path, detail);
    case 'FieldValueRequired':
      return required(path, detail);
    case 'FieldValueDuplicate':
      return duplicate(path, value);
    default:
      return invalid(path, value, detail);
  }
}

function keyOf(item: unknown, keys: readonly string[]): string {
  return JSON.stringify(keys.map((name) => (isObject(item) ? item[name] : undefined)));
}

/** A member's value before, where it was there under the same name. */
function correlateMember(
  schema: SchemaNode,
  { own, above }: Place,
  name: string,
  value: unknown,
): Pick<Place, 'own' | 'above'> {
  if (!own) return { own: undefined, above };
  // Both were converted to one version: that these are equal says nothing.
  if (!above && (name === 'apiVersion' || name === 'kind')) return { own: undefined, above: undefined };
  const isDeclared = propertyOf(schema, name) !== undefined || additionalOf(schema) !== undefined;
  const isThere = isObject(own.old) && Object.hasOwn(own.old, name) && isDeclared;
  const before = isThere ? (own.old as Record<string, unknown>)[name] : undefined;
  return { own: before === undefined ? undefined : { value, old: before }, above: own };
}

interface Activations {
  readonly plain: Activation;
  /** For rules with optionalOldSelf. */
  readonly optional: Activation;
}

function activations(schema: SchemaNode, value: unknown, old: unknown, usesOldSelf: boolean): Activations {
  const convert = converterOf(schema);
  const self = lazy(() => convert(value));
  const oldSelf = lazy(() => convert(old));
  const hasOld = old !== undefined && old !== null;
  const plain: Activation = {
    resolve: (name) => {
      if (name === 'self') return self();
      return name === 'oldSelf' && hasOld ? oldSelf() : undefined;
    },
  };
  if (!usesOldSelf) return { plain, optional: plain };
  const optional: Activation = {
    resolve: (name) => {
      if (name === 'self') return self();
      if (name !== 'oldSelf') return undefined;
      return hasOld ? new Optional(oldSelf()) : Optional.NONE;
    },
  };
  return { plain, optional };
}

function lazy(make: () => Value): () => Value {
  let made: Value | undefined;
  return () => (made ??= make());
}
