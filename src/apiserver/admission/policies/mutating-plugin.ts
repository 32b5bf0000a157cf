import { MUTATINGADMISSIONPOLICIES, MUTATINGADMISSIONPOLICYBINDINGS } from '../../../api/gen/resources.ts';
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import { decodeValue } from '../../../api/json/decode.ts';
import { deepClone } from '../../../api/objects.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import { schemaForKind } from '../../../api/schema.ts';
import { messageOf, SlipwayError } from '../../../base/errors.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../../admission-plugin.ts';
import { mergeTypeOfServed } from '../../apply/field-managers.ts';
import type { ResourceTable } from '../../registry/resource-table.ts';
import { sameJson } from '../../resources/validation/checks.ts';
import { internalError, serviceUnavailable } from '../../status-errors.ts';
import type { StatusError } from '../../status-errors.ts';
import { inVersion, matchResources } from '../match-resources.ts';
import { refuse } from '../review.ts';
import { isExcluded } from './excluded.ts';
import { CompiledMutatingPolicy, MutationProblem } from './mutating-policy.ts';
import { namespaceForExpressions } from './namespace-object.ts';
import { collectParams } from './params.ts';
import { PolicyIndex } from './policy-index.ts';
import type { BoundPolicy } from './policy-index.ts';
import { configurationProblem } from './validating-plugin.ts';
import type { PolicyPluginOptions } from './validating-plugin.ts';

type Policy = MutatingAdmissionPolicy;
type Binding = MutatingAdmissionPolicyBinding;
type Bound = BoundPolicy<Policy, Binding, CompiledMutatingPolicy>;

const PLUGIN = 'MutatingAdmissionPolicy';

/** One policy with one binding and one set of parameters, for a request that it matches. */
interface Invocation {
  readonly key: string;
  readonly policy: Policy;
  readonly binding: string;
  readonly compiled: CompiledMutatingPolicy;
  readonly matched: ResourceInfo;
  readonly params: KubeObject | null;
}

interface Failure {
  readonly policy: Policy;
  readonly binding: string | undefined;
  readonly message: string;
  readonly reason?: string;
}

/** What the second round needs to know of the first. */
class Rounds {
  lastOutput: KubeObject | undefined;
  waiting = new Set<string>();
  readonly due = new Set<string>();

  changed(): void {
    for (const key of this.waiting) this.due.add(key);
    this.waiting = new Set();
  }
}

/**
 * Changes objects as the cluster's MutatingAdmissionPolicies say. Mirrors apiserver
 * pkg/admission/plugin/policy/mutating/dispatcher.go.
 */
export function mutatingPolicies(options: PolicyPluginOptions): {
  plugin: AdmissionPlugin;
  stop: () => void;
} {
  const index = new PolicyIndex<Policy, Binding, CompiledMutatingPolicy>(
    (policy) => new CompiledMutatingPolicy(policy, options.authorizer),
  );
  const stop = index.follow(options.feed, MUTATINGADMISSIONPOLICIES, MUTATINGADMISSIONPOLICYBINDINGS);
  const plugin: AdmissionPlugin = {
    name: PLUGIN,
    handles: (attributes) =>
      index.bound.length > 0 && attributes.operation !== 'DELETE' && !isExcluded(attributes),
    async admit(attributes) {
      const failures: Failure[] = [];
      const invocations: Invocation[] = [];
      for (const bound of index.bound) {
        invocations.push(...(await invocationsOf(bound, attributes, options, failures)));
      }
      if (invocations.length > 0) await invokeAll(invocations, attributes, options, failures);
      const closed = failures.filter(({ policy }) => policy.spec?.failurePolicy !== 'Ignore');
      if (closed.length > 0) throw denial(attributes, closed);
    },
  };
  return { plugin, stop };
}

async function invocationsOf(
  { policy, bindings, compiled }: Bound,
  attributes: AdmissionAttributes,
  options: PolicyPluginOptions,
  failures: Failure[],
): Promise<Invocation[]> {
  const { spec = {} } = policy;
  let matched: ResourceInfo | undefined;
  try {
    matched = await matchResources(spec.matchConstraints ?? {}, attributes, options);
  } catch (error) {
    const message = `failed to configure policy: ${configurationProblem(error)}`;
    failures.push({ policy, binding: undefined, message });
  }
  if (!matched) return [];
  const invocations: Invocation[] = [];
  for (const { metadata, spec: { matchResources: criteria, paramRef } = {} } of bindings) {
    const binding = metadata?.name ?? '';
    try {
      if (criteria && !(await matchResources(criteria, attributes, options))) continue;
      for (const params of await collectParams(spec.paramKind, paramRef, attributes.namespace, options)) {
        const { namespace = '', name = '' } = params?.metadata ?? {};
        const key = JSON.stringify([policy.metadata?.name, binding, namespace, name]);
        invocations.push({ key, policy, binding, compiled, matched, params });
      }
    } catch (error) {
      failures.push({
        policy,
        binding,
        message: `failed to configure binding: ${configurationProblem(error)}`,
      });
    }
  }
  return invocations;
}

async function invokeAll(
  invocations: readonly Invocation[],
  attributes: AdmissionAttributes,
  options: PolicyPluginOptions,
  failures: Failure[],
): Promise<void> {
  const { reinvocation } = attributes;
  const again = reinvocation?.again ?? false;
  const rounds = (reinvocation?.kept.get(PLUGIN) as Rounds | undefined) ?? new Rounds();
  reinvocation?.kept.set(PLUGIN, rounds);
  if (again && !sameJson(rounds.lastOutput, attributes.object)) rounds.changed();
  const namespaceObject = await namespaceForExpressions(attributes, options.store);
  try {
    for (const invocation of invocations) {
      const isDue = !again || rounds.due.has(invocation.key);
      const changed = await invoke(
        invocation,
        attributes,
        { namespaceObject, isDue, table: options.table },
        failures,
      );
      if (changed === undefined) continue;
      if (changed) {
        rounds.changed();
        reinvocation?.request();
      }
      if (invocation.policy.spec?.reinvocationPolicy === 'IfNeeded') rounds.waiting.add(invocation.key);
    }
  } finally {
    rounds.lastOutput = deepClone(attributes.object);
  }
}

interface InvocationEnvironment {
  readonly namespaceObject: KubeObject | null;
  /** In the second round only those are asked that something has changed after. */
  readonly isDue: boolean;
  readonly table: ResourceTable;
}

/** Whether a policy changed the object; undefined where it was not asked. */
async function invoke(
  { policy, binding, compiled, matched, params }: Invocation,
  attributes: AdmissionAttributes,
  { namespaceObject, isDue, table }: InvocationEnvironment,
  failures: Failure[],
): Promise<boolean | undefined> {
  const { resource, oldObject } = attributes;
  if (!attributes.object) return undefined;
  const before = await inVersion(attributes.object, resource, matched, table);
  const old = oldObject && (await inVersion(oldObject, resource, matched, table));
  const input = { attributes, matched, object: before, oldObject: old, params, namespaceObject };
  const condition = await compiled.conditions.matches(input);
  if (condition.result === 'error') {
    failures.push({ policy, binding, message: condition.message, reason: 'Invalid' });
  }
  if (condition.result !== 'match' || !isDue) return undefined;
  let object: KubeObject = before;
  for (const mutation of compiled.mutations) {
    try {
      const type = mergeTypeFor(matched, object, table);
      object = decoded(await compiled.mutate(mutation, { ...input, object }, type), matched, table);
    } catch (error) {
      if (!(error instanceof MutationProblem)) throw error;
      failures.push({ policy, binding, message: error.message, reason: 'Invalid' });
    }
  }
  if (object === before || sameJson(object, before)) return false;
  attributes.object = await inVersion(object, matched, resource, table);
  return true;
}

function servedAs(matched: ResourceInfo, object: KubeObject, table: ResourceTable) {
  return object.kind === matched.kind
    ? table.find(matched.group, matched.version, matched.resource)
    : undefined;
}

function mergeTypeFor(matched: ResourceInfo, object: KubeObject, table: ResourceTable) {
  const served = servedAs(matched, object, table);
  const type = served && mergeTypeOfServed(served);
  if (type) return type;
  throw serviceUnavailable(
    `Resource kind ${matched.group}/${matched.version}, Kind=${object.kind ?? ''} not found. There can be a delay between when CustomResourceDefinitions are created and when they are available.`,
  );
}

/** The object in the form that the server keeps, with the defaults of what a policy has added. */
function decoded(object: KubeObject, matched: ResourceInfo, table: ResourceTable): KubeObject {
  const served = servedAs(matched, object, table);
  const value: unknown = deepClone(object);
  try {
    const { custom } = served?.definition ?? {};
    const schema = schemaForKind(matched.group, matched.version, matched.kind);
    const result = (custom ? custom.decode(value) : decodeValue(value, schema)).object as KubeObject;
    served?.definition.strategy?.defaults?.(result);
    return result;
  } catch (error) {
    if (error instanceof SlipwayError) throw internalError(messageOf(error), error);
    throw error;
  }
}

function denial(attributes: AdmissionAttributes, failures: readonly Failure[]): StatusError {
  const messages = failures.map(({ policy, binding, message }) => {
    const name = policy.metadata?.name ?? '';
    return binding === undefined
      ? `policy ${JSON.stringify(name)} denied request: ${message}`
      : `policy '${name}' with binding '${binding}' denied request: ${message}`;
  });
  const error = refuse(attributes, 'admission request denied by policy');
  error.status.message = messages[0] ?? '';
  if (failures[0]?.reason) error.status.reason = failures[0].reason;
  const causes = [...(error.status.details?.causes ?? []), ...messages.map((message) => ({ message }))];
  error.status.details = { ...error.status.details, causes };
  return error;
}
