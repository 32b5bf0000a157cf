import {
  VALIDATINGADMISSIONPOLICIES,
  VALIDATINGADMISSIONPOLICYBINDINGS,
} from '../../../api/gen/resources.ts';
import type {
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import type { ResourceInfo } from '../../../api/resource.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../../admission-plugin.ts';
import type { Authorizer } from '../../authorization.ts';
import type { ObjectFeed } from '../../authz/object-feed.ts';
import { StatusError } from '../../status-errors.ts';
import { matchResources, versionedObjects } from '../match-resources.ts';
import type { MatchEnvironment } from '../match-resources.ts';
import { refuse } from '../review.ts';
import { isExcluded } from './excluded.ts';
import { namespaceForExpressions } from './namespace-object.ts';
import { collectParams, ConfigurationError } from './params.ts';
import { PolicyIndex } from './policy-index.ts';
import type { BoundPolicy } from './policy-index.ts';
import { CompiledValidatingPolicy } from './validating-policy.ts';
import type { Denial, PolicyOutcome } from './validating-policy.ts';

export interface PolicyPluginOptions extends MatchEnvironment {
  readonly authorizer: Authorizer;
  readonly feed: ObjectFeed;
}

type Policy = ValidatingAdmissionPolicy;
type Binding = ValidatingAdmissionPolicyBinding;
type Bound = BoundPolicy<Policy, Binding, CompiledValidatingPolicy>;

const FAILURE_ANNOTATION = 'validation.policy.admission.k8s.io/validation_failure';
const MAX_ANNOTATION_LENGTH = 10 * 1024;

const CODES: Readonly<Record<string, number>> = {
  Forbidden: 403,
  Unauthorized: 401,
  RequestEntityTooLarge: 413,
  Invalid: 422,
};

interface Denied extends Denial {
  readonly policy: string;
  readonly binding: string | undefined;
}

/**
 * Refuses what the cluster's ValidatingAdmissionPolicies deny; they count from the moment at which they and
 * their bindings are stored. Mirrors apiserver pkg/admission/plugin/policy/validating/dispatcher.go.
 */
export function validatingPolicies(options: PolicyPluginOptions): {
  plugin: AdmissionPlugin;
  stop: () => void;
} {
  const index = new PolicyIndex<Policy, Binding, CompiledValidatingPolicy>(
    (policy) => new CompiledValidatingPolicy(policy, options.authorizer),
  );
  const stop = index.follow(options.feed, VALIDATINGADMISSIONPOLICIES, VALIDATINGADMISSIONPOLICYBINDINGS);
  const plugin: AdmissionPlugin = {
    name: 'ValidatingAdmissionPolicy',
    handles: (attributes) => index.bound.length > 0 && !isExcluded(attributes),
    async validate(attributes) {
      const denied: Denied[] = [];
      for (const bound of index.bound) denied.push(...(await reviewPolicy(bound, attributes, options)));
      const [first] = denied;
      if (first) throw denial(attributes, first);
    },
  };
  return { plugin, stop };
}

async function reviewPolicy(
  { policy, bindings, compiled }: Bound,
  attributes: AdmissionAttributes,
  options: PolicyPluginOptions,
): Promise<Denied[]> {
  const { spec = {} } = policy;
  const name = policy.metadata?.name ?? '';
  const denied: Denied[] = [];
  const misconfigured = (error: unknown, binding: string | undefined): void => {
    const message = configurationProblem(error);
    if (spec.failurePolicy === 'Ignore') return;
    const what = binding === undefined ? 'policy' : 'binding';
    denied.push({ message: `failed to configure ${what}: ${message}`, index: 0, policy: name, binding });
  };
  let matched: ResourceInfo | undefined;
  try {
    matched = await matchResources(spec.matchConstraints ?? {}, attributes, options);
  } catch (error) {
    misconfigured(error, undefined);
  }
  if (!matched) return denied;
  const collected = new Map<string, string[]>();
  for (const binding of bindings) {
    const bindingName = binding.metadata?.name ?? '';
    try {
      const outcomes = await evaluateBinding(binding, spec.paramKind, compiled, attributes, matched, options);
      for (const outcome of outcomes) {
        denied.push(
          ...act(outcome, { policy: name, binding }, attributes).map((each) => ({
            ...each,
            policy: name,
            binding: bindingName,
          })),
        );
        for (const [key, value] of outcome.annotations) collect(collected, key, value);
      }
    } catch (error) {
      misconfigured(error, bindingName);
    }
  }
  for (const [key, values] of collected) attributes.context.annotate(`${name}/${key}`, values.join(', '));
  return denied;
}

/** What a policy could not be used for; anything else is an error of ours. */
export function configurationProblem(error: unknown): string {
  if (error instanceof ConfigurationError || error instanceof StatusError) return error.message;
  throw error;
}

async function evaluateBinding(
  binding: Binding,
  paramKind: { apiVersion?: string; kind?: string } | undefined,
  compiled: CompiledValidatingPolicy,
  attributes: AdmissionAttributes,
  matched: ResourceInfo,
  options: PolicyPluginOptions,
): Promise<PolicyOutcome[]> {
  const { matchResources: criteria, paramRef } = binding.spec ?? {};
  if (criteria && !(await matchResources(criteria, attributes, options))) return [];
  const params = await collectParams(paramKind, paramRef, attributes.namespace, options);
  if (params.length === 0) return [];
  const objects = await versionedObjects(attributes, matched, options.table);
  const namespaceObject = await namespaceForExpressions(attributes, options.store);
  const outcomes: PolicyOutcome[] = [];
  for (const each of params) {
    outcomes.push(
      await compiled.evaluate({ attributes, matched, ...objects, params: each, namespaceObject }),
    );
  }
  return outcomes;
}

/** Does what the binding says with what a policy found; returns what is denied. */
function act(
  { denials, annotationErrors }: PolicyOutcome,
  { policy, binding }: { policy: string; binding: Binding },
  { context }: AdmissionAttributes,
): Denial[] {
  const denied: Denial[] = [];
  const name = binding.metadata?.name ?? '';
  const actions = binding.spec?.validationActions ?? [];
  for (const each of denials) {
    for (const action of actions) {
      if (action === 'Deny') denied.push(each);
      else if (action === 'Warn') {
        context.warn(
          `Validation failed for ValidatingAdmissionPolicy '${policy}' with binding '${name}': ${each.message}`,
        );
      } else if (action === 'Audit') {
        const failure = {
          message: each.message,
          policy,
          binding: name,
          expressionIndex: each.index,
          validationActions: actions,
        };
        context.annotate(FAILURE_ANNOTATION, JSON.stringify([failure]));
      }
    }
  }
  return [...denied, ...annotationErrors.map((message) => ({ message, index: 0 }))];
}

function collect(into: Map<string, string[]>, key: string, value: string): void {
  const shown = value.slice(0, MAX_ANNOTATION_LENGTH);
  const values = into.get(key) ?? [];
  if (!values.includes(shown)) into.set(key, [...values, shown]);
}

function denial(
  attributes: AdmissionAttributes,
  { policy, binding, message, reason = 'Invalid' }: Denied,
): StatusError {
  const by = binding === undefined ? '' : ` with binding '${binding}'`;
  const text = `ValidatingAdmissionPolicy '${policy}'${by} denied request: ${message}`;
  const error = refuse(attributes, text);
  error.status.reason = reason;
  error.status.code = CODES[reason] ?? 422;
  const causes = [...(error.status.details?.causes ?? []), { message: text }];
  error.status.details = { ...error.status.details, causes };
  return error;
}
