import { NODES } from '../../../api/gen/resources.ts';
import type { Node, NodeSystemInfo, Taint } from '../../../api/gen/types/core-v1.ts';
import { duplicate, forbidden, invalid, notSupported, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ResourceDefinition } from '../../resource-definition.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define, statusStrategy } from '../define.ts';
import type { ResourceEnvironment } from '../environment.ts';
import { at, checkFormat, checkLabelName, child, sameJson } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { labelValue } from '../validation/formats.ts';
import { ipFamily, strictCidrProblems } from '../validation/ip.ts';
import { cidrWarnings } from '../validation/ip-warnings.ts';
import { nodeProxy } from './proxies.ts';
import { jsonQuote } from '../../json-quote.ts';
import { goJsonProblem } from '../validation/go-json.ts';
import { checkResourceQuantity } from './pod-spec/resource-requirements.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** Mirrors validateNodeTaints of pkg/apis/core/validation/validation.go. */
export function validateTaints(errors: Errors, path: string, taints: readonly Taint[] | undefined): void {
  const seen = new Set<string>();
  (taints ?? []).forEach((taint, index) => {
    const here = at(path, index);
    checkLabelName(errors, child(here, 'key'), taint.key);
    const problems = labelValue(taint.value ?? '');
    if (problems.length > 0) errors.push(invalid(child(here, 'value'), taint.value, problems.join(';')));
    if (!taint.effect) errors.push(required(child(here, 'effect')));
    else if (!EFFECTS.includes(taint.effect)) {
      errors.push(notSupported(child(here, 'effect'), taint.effect, EFFECTS));
    }
    const id = `${taint.key}:${taint.effect}`;
    if (seen.has(id)) {
      const error = duplicate(here, taint);
      errors.push({ ...error, detail: 'taints must be unique by key and effect pair' });
    }
    seen.add(id);
  });
}

const AVOID_PODS = 'scheduler.alpha.kubernetes.io/preferAvoidPods';

interface Avoidance {
  preferAvoidPods?: Array<{ podSignature?: { podController?: { controller?: boolean } } }>;
}

function checkAvoidance(errors: Errors, text: string | undefined): void {
  if (!text) return;
  const path = 'metadata.annotations';
  const problem = goJsonProblem(text, 'v1.AvoidPods');
  if (problem !== undefined) {
    errors.push(invalid(child(path, 'AvoidPods'), AVOID_PODS, problem));
    return;
  }
  const { preferAvoidPods = [] } = JSON.parse(text) as Avoidance;
  preferAvoidPods.forEach(({ podSignature }, index) => {
    const here = child(at(child(path, AVOID_PODS), index), 'PodSignature');
    const controller = podSignature?.podController;
    if (!controller) errors.push(required(here));
    else if (!controller.controller) {
      errors.push(invalid(child(here, 'PodController', 'Controller'), false, 'must point to a controller'));
    }
  });
}

const FEATURE = /^[A-Z][A-Za-z0-9]*(\/[A-Za-z0-9]+)*$/;

function checkFeatures(errors: Errors, features: readonly string[]): void {
  features.forEach((feature, index) => {
    const here = at('status.declaredFeatures', index);
    const before = features[index - 1];
    if (!FEATURE.test(feature)) {
      const why =
        "must start with an UpperCamelCase segment, with subsequent segments separated by '/' " +
        '(e.g., MyFeature or MyFeature/mySubFeature), and contain only alphanumeric characters and slashes';
      errors.push(invalid(here, feature, `invalid feature name ${jsonQuote(feature)}: ${why}`));
    }
    if (before === feature) errors.push(duplicate(here, feature));
    else if (before !== undefined && before > feature) {
      errors.push(invalid(here, feature, 'list must be sorted alphabetically'));
    }
  });
}

/** Mirrors ValidateNode. */
function validate(node: Node): FieldError[] {
  const errors: Errors = [];
  // Upstream says metadata.
  validateTaints(errors, 'metadata.taints', node.spec?.taints);
  checkAvoidance(errors, node.metadata?.annotations?.[AVOID_PODS]);
  for (const list of ['capacity', 'allocatable'] as const) {
    for (const [name, amount] of Object.entries(node.status?.[list] ?? {})) {
      checkResourceQuantity(errors, child('status', list, name), name, amount);
    }
  }
  checkFeatures(errors, node.status?.declaredFeatures ?? []);
  const ranges = node.spec?.podCIDRs ?? [];
  ranges.forEach((range, index) => {
    checkFormat(errors, at('spec.podCIDRs', index), range, strictCidrProblems(range));
  });
  const families = new Set(ranges.map((range) => ipFamily(range.split('/')[0] ?? '')));
  if (ranges.length > 2 || (ranges.length === 2 && families.size < 2)) {
    const why = 'may specify no more than one CIDR for each IP family';
    errors.push(invalid('spec.podCIDRs', ranges, why));
  }
  if (ranges.length > 0 && node.spec?.podCIDR && node.spec.podCIDR !== ranges[0]) {
    errors.push(invalid('spec.podCIDRs', ranges, 'must match `podCIDR` in its first value'));
  }
  return errors;
}

/** Mirrors ValidateNodeUpdate: once written, a node's pod range and provider stay. */
function validateUpdate(node: Node, old: Node): FieldError[] {
  const errors = validate(node);
  const addresses = new Set<string>();
  (node.status?.addresses ?? []).forEach((address, index) => {
    const id = `${address.type}/${address.address}`;
    if (addresses.has(id)) errors.push(duplicate(at('status.addresses', index), address));
    addresses.add(id);
  });
  if (old.spec?.podCIDRs?.length && !sameJson(node.spec?.podCIDRs, old.spec.podCIDRs)) {
    const why = 'node updates may not change podCIDR except from "" to valid';
    errors.push(forbidden('spec.podCIDRs', why));
  }
  if (old.spec?.providerID && node.spec?.providerID !== old.spec.providerID) {
    const why = 'node updates may not change providerID except from "" to valid';
    errors.push(forbidden('spec.providerID', why));
  }
  if ((node.spec?.externalID ?? '') !== (old.spec?.externalID ?? '')) {
    errors.push(forbidden('spec.externalID', 'may not be updated'));
  }
  return errors;
}

function kernel(info: NodeSystemInfo | undefined): string {
  const version = info?.kernelVersion || '<unknown>';
  return info?.architecture ? `${version} (${info.architecture})` : version;
}

/** `podCIDR` is the first of `podCIDRs`, and is believed where they differ. Mirrors pkg/apis/core/v1/conversion.go. */
function defaults(node: Node): void {
  node.spec ??= {};
  if (node.spec.podCIDR && node.spec.podCIDRs?.[0] !== node.spec.podCIDR)
    node.spec.podCIDRs = [node.spec.podCIDR];
  else if (node.spec.podCIDRs?.[0] && !node.spec.podCIDR) node.spec.podCIDR = node.spec.podCIDRs[0];
  if (node.status?.capacity && !node.status.allocatable)
    node.status.allocatable = { ...node.status.capacity };
}

/** Of the dynamic configuration of kubelets, which is no more, nothing is kept. */
function dropConfig({ spec, status }: Node): void {
  delete spec?.configSource;
  delete status?.config;
}

function nodeWarnings({ spec }: Node): string[] {
  return [
    ...(spec?.configSource ? ['spec.configSource: the feature is removed'] : []),
    ...(spec?.externalID ? ['spec.externalID: this field is deprecated, and is unused by Kubernetes'] : []),
    ...(spec?.podCIDRs ?? []).flatMap((range, index) => cidrWarnings(at('spec.podCIDRs', index), range)),
  ];
}

function address(node: Node, type: string): string {
  return node.status?.addresses?.find((one) => one.type === type)?.address ?? '<none>';
}

/** Mirrors printNode of pkg/printers/internalversion/printers.go. */
function statusText({ spec, status }: Node): string {
  const ready = status?.conditions?.find((one) => one.type === 'Ready');
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
  if (spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function roles({ metadata }: Node): string {
  const prefix = 'node-role.kubernetes.io/';
  const names = Object.entries(metadata?.labels ?? {}).flatMap(([label, value]) => {
    if (label.startsWith(prefix) && label.length > prefix.length) return [label.slice(prefix.length)];
    return label === 'kubernetes.io/role' && value !== '' ? [value] : [];
  });
  return names.length > 0 ? [...new Set(names)].sort().join(',') : '<none>';
}

/** Mirrors pkg/registry/core/node/strategy.go. */
export function nodes(environment: ResourceEnvironment): ResourceDefinition {
  return define(NODES, {
    shortNames: ['no'],
    strategy: {
      defaults,
      generation: false,
      // A kubelet registers its node together with its status.
      prepareForCreate: (node) => dropConfig(node),
      prepareForUpdate(node, old) {
        statusStrategy.prepareForUpdate(node, old);
        delete node.spec?.configSource;
      },
      warningsOnCreate: nodeWarnings,
      warningsOnUpdate: nodeWarnings,
      validateCreate: validate,
      validateUpdate,
    },
    subresources: [
      {
        type: 'part',
        name: 'status',
        prepareForUpdate(node, old) {
          if (old.spec) node.spec = old.spec;
          delete node.status?.config;
        },
        validateUpdate,
      },
      nodeProxy(environment),
    ],
    fields: ({ spec }) => ({ 'spec.unschedulable': String(spec?.unschedulable ?? false) }),
    selectableFields: ['spec.unschedulable'],
    columns: [
      nameColumn(),
      column('Status', 'string', statusText),
      column('Roles', 'string', roles),
      ageColumn(),
      column('Version', 'string', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
      column('Internal-IP', 'string', (node) => address(node, 'InternalIP'), 'wide'),
      column('External-IP', 'string', (node) => address(node, 'ExternalIP'), 'wide'),
      column('OS-Image', 'string', ({ status }) => status?.nodeInfo?.osImage || '<unknown>', 'wide'),
      column('Kernel-Version', 'string', ({ status }) => kernel(status?.nodeInfo), 'wide'),
      column(
        'Container-Runtime',
        'string',
        ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>',
        'wide',
      ),
    ],
  });
}
