import { decodeValue } from '../../../api/json/decode.ts';
import { stringifyJson } from '../../../api/json/encode.ts';
import { parseExact } from '../../../api/json/exact-parser.ts';
import { deepClone } from '../../../api/objects.ts';
import { applyJsonPatch } from '../../../api/patch/json-patch.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import { schemaForKind } from '../../../api/schema.ts';
import type { Logger } from '../../../base/log.ts';
import { messageOf, SlipwayError } from '../../../base/errors.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import type { ResourceTable } from '../../registry/resource-table.ts';
import { sameJson } from '../../resources/validation/checks.ts';
import { internalError } from '../../status-errors.ts';
import { inVersion } from '../match-resources.ts';
import type { ReviewAnswer } from './admission-review.ts';
import { askHook, conditionsHold, failClosed, HookFailure, matchHook } from './ask-hook.ts';
import type { HookEnvironment } from './ask-hook.ts';
import type { Hook } from './hook.ts';

/** What the second round needs to know of the first. */
class Rounds {
  /** The object as the last webhook left it. */
  lastOutput: KubeObject | undefined;
  /** Webhooks that want to see what changes after them, and have been asked. */
  waiting = new Set<string>();
  /** Those of them after which something has changed. */
  readonly due = new Set<string>();

  changed(): void {
    for (const id of this.waiting) this.due.add(id);
    this.waiting = new Set();
  }
}

const ROUNDS = 'MutatingAdmissionWebhook';

/**
 * Asks mutating webhooks one after the other, each about what those before it made. Mirrors
 * apiserver pkg/admission/plugin/webhook/mutating/dispatcher.go.
 */
export async function mutate(
  hooks: readonly Hook[],
  attributes: AdmissionAttributes,
  environment: HookEnvironment,
  log: Logger,
): Promise<void> {
  const { reinvocation } = attributes;
  const again = reinvocation?.again ?? false;
  const rounds = (reinvocation?.kept.get(ROUNDS) as Rounds | undefined) ?? new Rounds();
  reinvocation?.kept.set(ROUNDS, rounds);
  if (again && !sameJson(rounds.lastOutput, attributes.object)) rounds.changed();
  const work = new Mutation(attributes, environment.table);
  try {
    for (const [index, hook] of hooks.entries()) {
      const seen = work.attributes();
      const matched = await matchHook(hook, seen, environment);
      if (!matched) continue;
      await work.show(matched);
      if (!(await conditionsHold(hook, work.request(matched)))) continue;
      if (again && !rounds.due.has(hook.id)) continue;
      const round = new HookRound(hook, work, matched, environment, `round_${again ? 1 : 0}_index_${index}`);
      const changed = await round.ask(log);
      if (changed) {
        rounds.changed();
        reinvocation?.request();
      }
      if (hook.webhook.reinvocationPolicy === 'IfNeeded') rounds.waiting.add(hook.id);
    }
    await work.finish();
  } finally {
    rounds.lastOutput = deepClone(attributes.object);
  }
}

/** The request's objects on their way from webhook to webhook, in the version that the last one saw. */
class Mutation {
  object: KubeObject | undefined;
  #oldObject: KubeObject | undefined;
  #shownAs: ResourceInfo;
  #dirty = false;
  readonly #attributes: AdmissionAttributes;
  readonly #table: ResourceTable;

  constructor(attributes: AdmissionAttributes, table: ResourceTable) {
    this.#attributes = attributes;
    this.#table = table;
    this.object = attributes.object;
    this.#oldObject = attributes.oldObject;
    this.#shownAs = attributes.resource;
  }

  /** For matching: selectors look at the labels as they are by now. */
  attributes(): AdmissionAttributes {
    return { ...this.#attributes, object: this.object };
  }

  request(matched: ResourceInfo) {
    return { attributes: this.attributes(), matched, object: this.object, oldObject: this.#oldObject };
  }

  async show(matched: ResourceInfo): Promise<void> {
    const { resource, oldObject } = this.#attributes;
    if (this.object) this.object = await inVersion(this.object, this.#shownAs, matched, this.#table);
    this.#oldObject = oldObject && (await inVersion(oldObject, resource, matched, this.#table));
    this.#shownAs = matched;
  }

  patched(object: KubeObject): void {
    this.object = object;
    this.#dirty = true;
  }

  /** Gives the object back in the version of the request. */
  async finish(): Promise<void> {
    if (!this.#dirty || !this.object) return;
    const { resource } = this.#attributes;
    this.#attributes.object = await inVersion(this.object, this.#shownAs, resource, this.#table);
  }
}

class HookRound {
  readonly #hook: Hook;
  readonly #work: Mutation;
  readonly #matched: ResourceInfo;
  readonly #environment: HookEnvironment;
  readonly #key: string;

  constructor(hook: Hook, work: Mutation, matched: ResourceInfo, environment: HookEnvironment, key: string) {
    this.#hook = hook;
    this.#work = work;
    this.#matched = matched;
    this.#environment = environment;
    this.#key = key;
  }

  /** Whether the webhook changed the object. */
  async ask(log: Logger): Promise<boolean> {
    const { webhook, configuration } = this.#hook;
    const { context } = this.#work.attributes();
    let mutated = false;
    try {
      const request = this.#work.request(this.#matched);
      const answer = await askHook(this.#hook, request, true, this.#environment);
      mutated = this.#apply(answer);
    } catch (error) {
      if (!(error instanceof HookFailure)) throw error;
      if (webhook.failurePolicy !== 'Ignore') throw failClosed(error);
      log.warn({ webhook: webhook.name, error: error.message }, 'a failing webhook was passed over');
      context.annotate(`failed-open.mutation.webhook.admission.k8s.io/${this.#key}`, webhook.name);
    } finally {
      const value = JSON.stringify({ configuration, webhook: webhook.name, mutated });
      context.annotate(`mutation.webhook.admission.k8s.io/${this.#key}`, value);
    }
    return mutated;
  }

  #apply({ patch, patchType }: ReviewAnswer): boolean {
    const { webhook, configuration } = this.#hook;
    if (patch === '') return false;
    const operations = this.#decode(patch);
    if (operations.length === 0) return false;
    const before = this.#work.object;
    if (!before) {
      throw internalError(
        `admission webhook ${JSON.stringify(webhook.name)} attempted to modify the object, which is not supported for this operation`,
      );
    }
    if (patchType !== 'JSONPatch') {
      throw new HookFailure(this.#hook, `unsupported patch type ${JSON.stringify(patchType)}`);
    }
    const object = this.#patched(before, operations);
    const changed = !sameJson(before, object);
    const { context } = this.#work.attributes();
    context.annotate(
      `patch.webhook.admission.k8s.io/${this.#key}`,
      stringifyJson({ configuration, webhook: webhook.name, patch: operations, patchType }),
    );
    this.#served()?.definition.strategy?.defaults?.(object);
    this.#work.patched(object);
    return changed;
  }

  #decode(patch: string): unknown[] {
    try {
      const { value } = parseExact(patch);
      if (Array.isArray(value)) return value as unknown[];
      if (value === null) return [];
      throw new SlipwayError('E_JSON', 'json: cannot unmarshal object into Go value of type jsonpatch.Patch');
    } catch (error) {
      if (!(error instanceof SlipwayError)) throw error;
      throw new HookFailure(this.#hook, `received undecodable patch in webhook response: ${error.message}`);
    }
  }

  #patched(before: KubeObject, operations: unknown[]): KubeObject {
    try {
      const value = applyJsonPatch(before, operations) as KubeObject;
      const { kind = '', apiVersion = '' } = value;
      const isSame = kind === before.kind && apiVersion === before.apiVersion;
      const custom = isSame ? this.#served()?.definition.custom : undefined;
      const slash = apiVersion.indexOf('/');
      const group = apiVersion.slice(0, Math.max(slash, 0));
      const schema = schemaForKind(group, apiVersion.slice(slash + 1), kind);
      const { object } = custom ? custom.decode(value) : decodeValue(value, schema);
      if (!isSame) throw new SlipwayError('E_WEBHOOK', `unable to convert a ${kind} to a ${before.kind}`);
      return object;
    } catch (error) {
      if (error instanceof SlipwayError) throw internalError(messageOf(error), error);
      throw error;
    }
  }

  /** Undefined where the object is of another kind than the resource (Scale, options …). */
  #served() {
    const { group, version, resource, kind } = this.#matched;
    if (this.#work.object?.kind !== kind) return undefined;
    return this.#environment.table.find(group, version, resource);
  }
}
