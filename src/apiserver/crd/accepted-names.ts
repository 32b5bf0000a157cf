import type {
  CustomResourceDefinition,
  CustomResourceDefinitionNames,
} from '../../api/gen/types/apiextensions-v1.ts';
import { setCondition } from './crd-definition.ts';
import { approvalProblem, isConditionTrue, isProtectedGroup } from './crd-validation.ts';

interface Conflict {
  reason: string;
  message: string;
}

/**
 * Accepts the names of a definition that no other of its group has, and says so in its conditions; changes
 * `crd`. Mirrors apiextensions-apiserver pkg/controller/{status,establish,apiapproval}.
 */
export function acceptNames(
  crd: CustomResourceDefinition,
  others: readonly CustomResourceDefinition[],
  now: number,
): void {
  const resources = new Set<string>();
  const kinds = new Set<string>();
  for (const { spec, status } of others) {
    const names = status?.acceptedNames;
    if (spec.group !== crd.spec.group || !names) continue;
    for (const name of [names.plural, names.singular, ...(names.shortNames ?? [])])
      if (name) resources.add(name);
    for (const name of [names.kind, names.listKind]) if (name) kinds.add(name);
  }
  const status = (crd.status ??= { acceptedNames: { plural: '', kind: '' } });
  const { names, conflict } = chosen(
    crd.spec.names,
    status.acceptedNames ?? { plural: '', kind: '' },
    resources,
    kinds,
  );
  status.acceptedNames = names;
  setCondition(crd, now, {
    type: 'NamesAccepted',
    status: conflict ? 'False' : 'True',
    reason: conflict?.reason ?? 'NoConflicts',
    message: conflict?.message ?? 'no conflicts found',
  });
  if (!isConditionTrue(crd, 'Established')) establish(crd, now, conflict === undefined);
  noteApproval(crd, now);
}

function establish(crd: CustomResourceDefinition, now: number, accepted: boolean): void {
  setCondition(crd, now, {
    type: 'Established',
    status: accepted ? 'True' : 'False',
    reason: accepted ? 'InitialNamesAccepted' : 'NotAccepted',
    message: accepted ? 'the initial names have been accepted' : 'not all names are accepted',
  });
}

function chosen(
  wanted: CustomResourceDefinitionNames,
  accepted: CustomResourceDefinitionNames,
  resources: ReadonlySet<string>,
  kinds: ReadonlySet<string>,
): { names: CustomResourceDefinitionNames; conflict: Conflict | undefined } {
  const names: CustomResourceDefinitionNames = { ...accepted };
  let conflict: Conflict | undefined;
  const take = (field: 'plural' | 'singular' | 'kind' | 'listKind', used: ReadonlySet<string>) => {
    const value = wanted[field] ?? '';
    if (value !== accepted[field] && used.has(value)) {
      const reason = `${field.charAt(0).toUpperCase()}${field.slice(1)}Conflict`;
      conflict = { reason, message: `${JSON.stringify(value)} is already in use` };
    } else names[field] = value;
  };
  take('plural', resources);
  take('singular', resources);
  const own = new Set(accepted.shortNames);
  const taken = (wanted.shortNames ?? []).filter((name) => !own.has(name) && resources.has(name));
  if (taken.length > 0) {
    const texts = taken.map((name) => `${JSON.stringify(name)} is already in use`);
    const message = texts.length === 1 ? (texts[0] ?? '') : `[${texts.join(', ')}]`;
    conflict = { reason: 'ShortNamesConflict', message };
  } else if (wanted.shortNames?.length) names.shortNames = wanted.shortNames;
  else delete names.shortNames;
  take('kind', kinds);
  take('listKind', kinds);
  if (wanted.categories?.length) names.categories = wanted.categories;
  else delete names.categories;
  return { names, conflict };
}

function noteApproval(crd: CustomResourceDefinition, now: number): void {
  if (!isProtectedGroup(crd.spec.group)) return;
  const value = crd.metadata?.annotations?.['api-approved.kubernetes.io'] ?? '';
  const problem = approvalProblem(crd);
  const type = 'KubernetesAPIApprovalPolicyConformant';
  if (problem !== undefined) {
    const reason = value === '' ? 'MissingAnnotation' : 'InvalidAnnotation';
    setCondition(crd, now, { type, status: 'False', reason, message: problem });
  } else if (value.startsWith('unapproved')) {
    const message = `not approved: ${JSON.stringify(value)}`;
    setCondition(crd, now, { type, status: 'False', reason: 'UnapprovedAnnotation', message });
  } else {
    const message = `approved in ${value}`;
    setCondition(crd, now, { type, status: 'True', reason: 'ApprovedAnnotation', message });
  }
}
