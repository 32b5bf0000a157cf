import { VOLUMEATTACHMENTS } from '../../../api/gen/resources.ts';
import type { VolumeAttachment, VolumeError } from '../../../api/gen/types/storage-v1.ts';
import { forbidden, invalid, required, tooLong } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import { ageColumn, column, nameColumn } from '../columns.ts';
import { validateInlineVolume } from '../core/persistentvolume-validation.ts';
import { bareStatusOf, define, statusStrategy } from '../define.ts';
import { checkFormat, checkImmutable } from '../validation/checks.ts';
import type { Errors } from '../validation/checks.ts';
import { dnsSubdomain, inRangeMessage } from '../validation/formats.ts';
import { checkDriverName } from './driver-name.ts';

const MAX_METADATA_BYTES = 256 * 1024;
const MAX_MESSAGE_BYTES = 1024;

/** Mirrors ValidateVolumeAttachment of pkg/apis/storage/validation/validation.go. */
function validate({ spec, status }: VolumeAttachment): FieldError[] {
  const errors: Errors = [];
  checkDriverName(errors, 'spec.attacher', spec?.attacher);
  const { inlineVolumeSpec, persistentVolumeName } = spec?.source ?? {};
  const one = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName';
  if (inlineVolumeSpec === undefined && persistentVolumeName === undefined) {
    errors.push(required('spec.source', one));
  } else if (inlineVolumeSpec !== undefined && persistentVolumeName !== undefined) {
    errors.push(forbidden('spec.source', one));
  } else if (persistentVolumeName === '') {
    errors.push(required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'));
  } else if (inlineVolumeSpec !== undefined) {
    errors.push(...validateInlineVolume('spec.source.inlineVolumeSpec', inlineVolumeSpec));
  }
  checkFormat(errors, 'spec.nodeName', spec?.nodeName, dnsSubdomain(spec?.nodeName));
  checkStatus(errors, status);
  if (persistentVolumeName !== undefined) {
    const path = 'spec.source.persistentVolumeName';
    checkFormat(errors, path, persistentVolumeName, dnsSubdomain(persistentVolumeName));
  }
  return errors;
}

function checkStatus(errors: Errors, status: VolumeAttachment['status']): void {
  let bytes = 0;
  for (const [name, value] of Object.entries(status?.attachmentMetadata ?? {})) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > MAX_METADATA_BYTES) errors.push(tooLong('status.attachmentMetadata', MAX_METADATA_BYTES));
  checkError(errors, 'status.attachError', status?.attachError);
  checkError(errors, 'status.detachError', status?.detachError);
}

function checkError(errors: Errors, path: string, error: VolumeError | undefined): void {
  if (Buffer.byteLength(error?.message ?? '') > MAX_MESSAGE_BYTES) {
    errors.push(tooLong(`${path}.message`, MAX_METADATA_BYTES));
  }
  const code = error?.errorCode;
  if (code !== undefined && code < 0) {
    errors.push(invalid(`${path}.errorCode`, code, inRangeMessage(0, 2147483647)));
  }
}

function validateUpdate(attachment: VolumeAttachment, old: VolumeAttachment): FieldError[] {
  const errors = validate(attachment);
  checkImmutable(errors, 'spec', attachment.spec, old.spec);
  return errors;
}

/** Mirrors pkg/registry/storage/volumeattachment/strategy.go. */
export const volumeattachments = define(VOLUMEATTACHMENTS, {
  strategy: {
    returnsDeletedObject: true,
    ...statusStrategy,
    generation: false,
    allowUnconditionalUpdate: false,
    validateCreate: validate,
    validateUpdate,
  },
  subresources: [bareStatusOf(validateUpdate)],
  columns: [
    nameColumn(),
    column('Attacher', 'string', ({ spec }) => spec?.attacher ?? ''),
    column('PV', 'string', ({ spec }) => spec?.source?.persistentVolumeName ?? ''),
    column('Node', 'string', ({ spec }) => spec?.nodeName ?? ''),
    column('Attached', 'boolean', ({ status }) => status?.attached ?? false),
    ageColumn(),
  ],
});
