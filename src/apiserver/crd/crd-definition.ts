import { CUSTOMRESOURCEDEFINITIONS } from '../../api/gen/resources.ts';
import type {
  CustomResourceDefinition,
  CustomResourceDefinitionCondition,
} from '../../api/gen/types/apiextensions-v1.ts';
import { rfc3339 } from '../../base/clock.ts';
import { keepAllButStatus } from '../registry/update.ts';
import { define } from '../resources/define.ts';
import { sameJson } from '../resources/validation/checks.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { crdNameProblems, validateCrd, validateCrdStatus, validateCrdUpdate } from './crd-validation.ts';
import { isCheckedFormat } from './formats.ts';
import { walkSchema } from './schema-node.ts';
import { invalid } from '../field-error.ts';

export const CLEANUP_FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

/** Mirrors apiextensions-apiserver pkg/registry/customresourcedefinition. */
export const CRD_DEFINITION: ResourceDefinition = define(CUSTOMRESOURCEDEFINITIONS, {
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  strategy: {
    anyFinalizer: true,
    defaults,
    prepareForCreate(crd) {
      const names = { plural: '', kind: '' };
      crd.status = { conditions: [], acceptedNames: names, storedVersions: [] };
      noteStorageVersion(crd);
    },
    prepareForUpdate(crd, old) {
      if (old.status) crd.status = structuredClone(old.status);
      else delete crd.status;
      noteStorageVersion(crd);
    },
    // The name is checked together with what it is made of.
    validateName: () => [],
    validateCreate: (crd) => [...nameErrors(crd), ...validateCrd(crd)],
    validateUpdate: validateCrdUpdate,
    warningsOnCreate: warnings,
    warningsOnUpdate: (crd, old) => (sameJson(crd.spec, old.spec) ? [] : warnings(crd)),
    generation: (crd, old) => !sameJson(crd.spec, old.spec),
    // Its objects go first: the first deletion only marks it.
    readyToDelete: (crd) => crd.metadata?.deletionTimestamp !== undefined,
    beginDeletion(crd, context) {
      const metadata = (crd.metadata ??= {});
      if (!metadata.finalizers?.includes(CLEANUP_FINALIZER)) {
        metadata.finalizers = [...(metadata.finalizers ?? []), CLEANUP_FINALIZER];
      }
      setCondition(crd, context.now, {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      });
    },
  },
  subresources: [
    {
      type: 'part',
      name: 'status',
      prepareForUpdate: keepAllButStatus,
      validateUpdate: validateCrdStatus,
    },
  ],
});

function defaults({ spec }: CustomResourceDefinition): void {
  if (!spec) return;
  const { names } = spec;
  if (names) {
    if (!names.singular && names.kind) names.singular = names.kind.toLowerCase();
    if (!names.listKind && names.kind) names.listKind = `${names.kind}List`;
  }
  spec.conversion ??= { strategy: 'None' };
  if (!spec.conversion.strategy) spec.conversion.strategy = 'None';
  const service = spec.conversion.webhook?.clientConfig?.service;
  if (service) service.port ??= 443;
}

function noteStorageVersion(crd: CustomResourceDefinition): void {
  const storage = crd.spec?.versions?.find((version) => version.storage)?.name;
  if (storage === undefined) return;
  const status = (crd.status ??= { acceptedNames: { plural: '', kind: '' } });
  const stored = status.storedVersions ?? [];
  if (!stored.includes(storage)) status.storedVersions = [...stored, storage];
}

function nameErrors(crd: CustomResourceDefinition) {
  const name = crd.metadata?.name ?? '';
  return crdNameProblems(name, crd).map((problem) => invalid('metadata.name', name, problem));
}

/** Formats that nobody checks. */
function warnings(crd: CustomResourceDefinition): string[] {
  return (crd.spec?.versions ?? []).flatMap(({ schema }, index) => {
    const root = schema?.openAPIV3Schema;
    if (!root) return [];
    const path = `spec.versions[${index}].schema.openAPIV3Schema`;
    const formats: string[] = [];
    for (const [{ type, format }] of walkSchema(root, path)) {
      if (format && !isCheckedFormat(type, format))
        formats.push(`unrecognized format ${JSON.stringify(format)}`);
    }
    return formats;
  });
}

/** Puts a condition in, its transition time kept where the status stays. */
export function setCondition(
  crd: CustomResourceDefinition,
  now: number,
  condition: Pick<CustomResourceDefinitionCondition, 'type' | 'status' | 'reason' | 'message'>,
): void {
  const status = (crd.status ??= { acceptedNames: { plural: '', kind: '' } });
  const conditions = [...(status.conditions ?? [])];
  const index = conditions.findIndex(({ type }) => type === condition.type);
  const before = conditions[index];
  const unchanged = before?.status === condition.status;
  const lastTransitionTime = (unchanged && before?.lastTransitionTime) || rfc3339(now);
  const fresh = { ...condition, lastTransitionTime };
  if (index < 0) conditions.push(fresh);
  else conditions[index] = fresh;
  status.conditions = conditions;
}
