import { NAMESPACES } from '../../../api/gen/resources.ts';
import type { Namespace } from '../../../api/gen/types/core-v1.ts';
import { invalid, required } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { define } from '../define.ts';
import { at, checkFormat } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsLabel, qualifiedName } from '../validation/formats.ts';
import { checkFinalizerName } from '../../registry/object-meta.ts';

/** The name as a label, so that selectors can name a namespace. Mirrors SetDefaults_Namespace. */
function defaults(namespace: Namespace): void {
  namespace.status ??= {};
  namespace.status.phase ||= 'Active';
  const name = namespace.metadata?.name;
  if (!name || !namespace.metadata) return;
  namespace.metadata.labels = { ...namespace.metadata.labels, 'kubernetes.io/metadata.name': name };
}

/** What keeps the namespace until its content is gone: the namespace controller takes it away at the end. */
const OWN_FINALIZER = 'kubernetes';

function checkFinalizers(namespace: Namespace, indexed: boolean): FieldError[] {
  const errors: Errors = [];
  (namespace.spec?.finalizers ?? []).forEach((finalizer, index) => {
    const field = indexed ? at('spec.finalizers', index) : 'spec.finalizers';
    checkFormat(errors, field, finalizer, qualifiedName(finalizer));
    checkFinalizerName(errors, field, finalizer);
  });
  return errors;
}

/** Mirrors ValidateNamespaceStatusUpdate: a namespace is terminating exactly when it is being deleted. */
function validateStatus({ metadata, status }: Namespace): FieldError[] {
  const phase = status?.phase;
  if (metadata?.deletionTimestamp) {
    if (phase === 'Terminating') return [];
    const why = "may only be 'Terminating' if `deletionTimestamp` is not empty";
    return [invalid('status.Phase', phase ?? '', why)];
  }
  if (phase === 'Active') return [];
  const why = "may only be 'Active' if `deletionTimestamp` is empty";
  return [phase ? invalid('status.Phase', phase, why) : required('status.Phase', why)];
}

/** Mirrors pkg/registry/core/namespace/{strategy,storage/storage}.go. */
export const namespaces = define(NAMESPACES, {
  shortNames: ['ns'],
  verbs: ['create', 'delete', 'get', 'list', 'patch', 'update', 'watch'],
  strategy: {
    defaults,
    generation: false,
    validateName: (name) => dnsLabel(name),
    prepareForCreate(namespace) {
      namespace.status = { phase: 'Active' };
      const finalizers = namespace.spec?.finalizers ?? [];
      if (!finalizers.includes(OWN_FINALIZER)) {
        namespace.spec = { ...namespace.spec, finalizers: [...finalizers, OWN_FINALIZER] };
      }
    },
    prepareForUpdate(namespace, old) {
      namespace.spec = { ...namespace.spec, finalizers: old.spec?.finalizers ?? [] };
      if (old.status) namespace.status = old.status;
    },
    validateCreate: (namespace) => checkFinalizers(namespace, false),
    validateUpdate: () => [],
    beginDeletion(namespace) {
      namespace.status = { ...namespace.status, phase: 'Terminating' };
    },
    readyToDelete: (namespace) => (namespace.spec?.finalizers ?? []).length === 0,
  },
  subresources: [
    {
      type: 'part',
      name: 'finalize',
      verbs: ['update'],
      prepareForUpdate(namespace, old) {
        if (old.status) namespace.status = old.status;
      },
      validateUpdate: (namespace) => checkFinalizers(namespace, true),
    },
    {
      type: 'part',
      name: 'status',
      prepareForUpdate(namespace, old) {
        if (old.spec) namespace.spec = old.spec;
      },
      validateUpdate: validateStatus,
    },
  ],
  fields: ({ metadata, status }) => ({ 'status.phase': status?.phase ?? '', name: metadata?.name ?? '' }),
  selectableFields: ['status.phase', 'name'],
  columns: [nameColumn(), column('Status', 'string', ({ status }) => status?.phase ?? ''), ageColumn()],
});
