import { NAMESPACES, PODS } from '../../../api/gen/resources.ts';
import type { Container, Namespace, Pod, PodTemplateSpec } from '../../../api/gen/types/core-v1.ts';
import type { KubeObject } from '../../../api/resource.ts';
import type { AdmissionAttributes, AdmissionPlugin } from '../../admission-plugin.ts';
import type { ObjectStore } from '../../object-store.ts';
import { sameJson } from '../../resources/validation/checks.ts';
import { forbiddenRequest, internalError, invalidObject } from '../../status-errors.ts';
import { isOn, objectOf, oldObjectOf } from '../review.ts';
import { showViolations, violations } from './evaluate.ts';
import { ignoredModes, isOpen, OPEN_POLICY, policyOf, sameLevel, showLevel, stricter } from './levels.ts';
import type { LevelVersion, Policy } from './levels.ts';

export interface PodSecurityOptions {
  defaults: Policy;
  exemptions: { usernames: string[]; namespaces: string[]; runtimeClasses: string[] };
}

export const OPEN_POD_SECURITY: PodSecurityOptions = {
  defaults: OPEN_POLICY,
  exemptions: { usernames: [], namespaces: [], runtimeClasses: [] },
};

/** As upstream: so many pods are looked at when a namespace's level rises. */
const MAX_PODS = 3000;
const ANNOTATION = 'pod-security.kubernetes.io/';
const IGNORED_PARTS = new Set([
  'exec',
  'attach',
  'binding',
  'eviction',
  'log',
  'portforward',
  'proxy',
  'status',
]);
const WORKLOADS = new Set([
  'replicationcontrollers',
  'podtemplates',
  'deployments.apps',
  'replicasets.apps',
  'statefulsets.apps',
  'daemonsets.apps',
  'jobs.batch',
  'cronjobs.batch',
]);

/** The Pod Security Standards that namespaces ask for by label. Mirrors pod-security-admission admission/admission.go. */
export function podSecurity(options: PodSecurityOptions): AdmissionPlugin {
  const review = new Review(options);
  return {
    name: 'PodSecurity',
    handles: ({ operation, resource: { group, resource }, subresource }) => {
      if (operation !== 'CREATE' && operation !== 'UPDATE') return false;
      if (group === '' && resource === 'pods') return !IGNORED_PARTS.has(subresource);
      if (subresource !== '') return false;
      return (
        (group === '' && resource === 'namespaces') ||
        WORKLOADS.has(group === '' ? resource : `${resource}.${group}`)
      );
    },
    async validate(attributes, store) {
      if (isOn(attributes, NAMESPACES)) return review.namespace(attributes, store);
      if (attributes.resource.resource === 'pods') return review.pod(attributes, store);
      return review.workload(attributes, store);
    },
  };
}

class Review {
  readonly #options: PodSecurityOptions;

  constructor(options: PodSecurityOptions) {
    this.#options = options;
  }

  async namespace(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    const { operation, context } = attributes;
    const { metadata } = objectOf<Namespace>(attributes);
    const name = metadata?.name ?? '';
    const now = policyOf(metadata?.labels, this.#options.defaults);
    const refuse = () => invalidObject({ group: '', kind: 'Namespace' }, attributes.name || name, now.errors);
    const exempt = this.#options.exemptions.namespaces.includes(name);
    if (operation === 'CREATE') {
      if (now.errors.length > 0) throw refuse();
      if (exempt) this.#warnExempt(attributes, name, now.policy);
      return;
    }
    const before = policyOf(oldObjectOf<Namespace>(attributes).metadata?.labels, this.#options.defaults);
    // What was wrong already may stay: else nothing about the namespace could be changed.
    if (now.errors.length > 0 && !sameJson(now.errors, before.errors)) throw refuse();
    const [level, old] = [now.policy.enforce, before.policy.enforce];
    if (sameLevel(level, old) || level.level === 'privileged') return;
    if (level.minor === old.minor && !stricter(level.level, old.level)) return;
    if (exempt) return this.#warnExempt(attributes, name, now.policy);
    const pods = await store.list(PODS, name);
    for (const warning of this.#existing(name, level, pods)) context.warn(warning);
  }

  async pod(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    if (this.#isExempt(attributes)) return;
    const labels = await labelsOf(attributes, store);
    const { policy, errors } = policyOf(labels, this.#options.defaults);
    if (errors.length === 0 && isOpen(policy)) {
      attributes.context.annotate(`${ANNOTATION}enforce-policy`, 'privileged:latest');
      return;
    }
    const pod = objectOf<Pod>(attributes);
    if (attributes.operation === 'UPDATE' && !isSignificant(pod, oldObjectOf<Pod>(attributes))) return;
    this.#evaluate(attributes, policy, pod, true);
  }

  async workload(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    if (this.#isExempt(attributes)) return;
    const labels = await labelsOf(attributes, store).catch(() => undefined);
    const { policy, errors } = policyOf(labels, this.#options.defaults);
    const quiet = policy.warn.level === 'privileged' && policy.audit.level === 'privileged';
    const template = templateOf(attributes.object);
    if ((errors.length === 0 && quiet) || !template) return;
    this.#evaluate(attributes, policy, template, false);
  }

  #isExempt({ namespace, context }: AdmissionAttributes): boolean {
    const { namespaces, usernames } = this.#options.exemptions;
    const why = namespaces.includes(namespace)
      ? 'namespace'
      : usernames.includes(context.user.name)
        ? 'user'
        : undefined;
    if (why) context.annotate(`${ANNOTATION}exempt`, why);
    return why !== undefined;
  }

  #evaluate(
    attributes: AdmissionAttributes,
    policy: Policy,
    pod: Pick<Pod, 'metadata' | 'spec'>,
    enforce: boolean,
  ): void {
    const { context, resource } = attributes;
    const { spec } = pod;
    if (!spec) return;
    if (this.#options.exemptions.runtimeClasses.includes(spec.runtimeClassName ?? '')) {
      context.annotate(`${ANNOTATION}exempt`, 'runtimeClass');
      return;
    }
    const told = (level: LevelVersion): string | undefined => {
      const found = violations(level, pod.metadata, spec);
      return found.length > 0 ? `${JSON.stringify(showLevel(level))}: ${showViolations(found)}` : undefined;
    };
    const audited = told(policy.audit);
    if (audited) context.annotate(`${ANNOTATION}audit-violations`, `would violate PodSecurity ${audited}`);
    if (enforce) {
      context.annotate(`${ANNOTATION}enforce-policy`, showLevel(policy.enforce));
      const forbidden = told(policy.enforce);
      const named = attributes.name || pod.metadata?.name || '';
      if (forbidden) throw forbiddenRequest(resource, named, `violates PodSecurity ${forbidden}`);
    }
    const warned = told(policy.warn);
    if (warned) context.warn(`would violate PodSecurity ${warned}`);
  }

  #warnExempt({ context, object }: AdmissionAttributes, name: string, policy: Policy): void {
    if (isOpen(policy) || sameJson(show(policy), show(this.#options.defaults))) return;
    const ignored = ignoredModes(policy, object?.metadata?.labels ?? {});
    context.warn(
      `namespace ${JSON.stringify(name)} is exempt from Pod Security, and the policy (${ignored}) will be ignored`,
    );
  }

  /** Which pods that are there already the new level would not let in; one of each controller goes first. */
  #existing(namespace: string, level: LevelVersion, pods: readonly Pod[]): string[] {
    const seen = new Set<string>();
    const first: Pod[] = [];
    const rest: Pod[] = [];
    for (const pod of pods) {
      if (this.#options.exemptions.runtimeClasses.includes(pod.spec?.runtimeClassName ?? '')) continue;
      const owner = pod.metadata?.ownerReferences?.find(({ controller }) => controller)?.uid;
      (owner !== undefined && seen.has(owner) ? rest : first).push(pod);
      if (owner !== undefined) seen.add(owner);
    }
    const all = [...first, ...rest];
    const checked = all.slice(0, MAX_PODS);
    const byReason = new Map<string, string[]>();
    for (const { metadata, spec } of checked) {
      const found = spec ? violations(level, metadata, spec) : [];
      if (found.length === 0) continue;
      const reason = found.map((one) => one.reason).join(', ');
      byReason.set(reason, [...(byReason.get(reason) ?? []), metadata?.name ?? '']);
    }
    const warnings = [...byReason].map(([reason, names]) => {
      const others = names.length - 1;
      const more = others === 0 ? '' : ` (and ${others} other ${others === 1 ? 'pod' : 'pods'})`;
      return `${names.sort()[0]}${more}: ${reason}`;
    });
    const shown = JSON.stringify(showLevel(level));
    return [
      ...(checked.length < all.length
        ? [
            `new PodSecurity enforce level only checked against the first ${checked.length} of ${all.length} existing pods`,
          ]
        : []),
      ...(warnings.length > 0
        ? [
            `existing pods in namespace ${JSON.stringify(namespace)} violate the new PodSecurity enforce level ${shown}`,
          ]
        : []),
      ...warnings.sort(),
    ];
  }
}

const show = (policy: Policy): string[] =>
  [policy.enforce, policy.audit, policy.warn].map((level) =>
    level.level === 'privileged' ? level.level : showLevel(level),
  );

async function labelsOf(
  { namespace }: AdmissionAttributes,
  store: ObjectStore,
): Promise<Record<string, string> | undefined> {
  const found = (await store.get(NAMESPACES, namespace)) ?? (await store.getFresh(NAMESPACES, namespace));
  if (!found) throw internalError(`failed to lookup namespace ${JSON.stringify(namespace)}`, undefined);
  return found.metadata?.labels;
}

function templateOf(object: KubeObject | undefined): PodTemplateSpec | undefined {
  const { spec, template } = (object ?? {}) as {
    spec?: { template?: PodTemplateSpec; jobTemplate?: { spec?: { template?: PodTemplateSpec } } };
    template?: PodTemplateSpec;
  };
  return template ?? spec?.template ?? spec?.jobTemplate?.spec?.template;
}

/** Only other containers or images can make a pod break a rule that it kept before. */
function isSignificant({ spec: now }: Pod, { spec: old }: Pod): boolean {
  const images = (containers: readonly Container[] | undefined): string =>
    JSON.stringify((containers ?? []).map(({ image }) => image ?? ''));
  if (images(now?.containers) !== images(old?.containers)) return true;
  if (images(now?.initContainers) !== images(old?.initContainers)) return true;
  return (now?.ephemeralContainers ?? []).some(
    ({ name, image }) => old?.ephemeralContainers?.find((one) => one.name === name)?.image !== image,
  );
}
