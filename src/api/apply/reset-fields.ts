import { EMPTY_SET, setOfFields } from './field-set.ts';
import type { FieldSet } from './field-set.ts';

const STATUS = setOfFields(['status']);
const SPEC = setOfFields(['spec']);
const META_AND_SPEC = setOfFields(['metadata'], ['spec']);

/** Kinds whose /status writes nothing of metadata. */
const STATUS_WITHOUT_META: ReadonlySet<string> = new Set([
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy',
  'flowcontrol.apiserver.k8s.io/FlowSchema',
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration',
  'networking.k8s.io/ServiceCIDR',
  'resource.k8s.io/DeviceTaintRule',
  'resource.k8s.io/ResourceClaim',
  'scheduling.k8s.io/PodGroup',
  'storage.k8s.io/VolumeAttachment',
  'storagemigration.k8s.io/StorageVersionMigration',
]);

/** What differs from the rule, by group, kind and subresource: the strategies' GetResetFields. */
const SPECIAL: Readonly<Record<string, FieldSet>> = {
  'apps/Deployment/status': setOfFields(['metadata', 'labels'], ['spec']),
  '/Pod/status': setOfFields(['metadata', 'deletionTimestamp'], ['metadata', 'ownerReferences'], ['spec']),
  '/Namespace/finalize': STATUS,
  'certificates.k8s.io/CertificateSigningRequest/': setOfFields(['spec'], ['status']),
  'certificates.k8s.io/CertificateSigningRequest/status': setOfFields(['spec'], ['status', 'conditions']),
  'certificates.k8s.io/CertificateSigningRequest/approval': setOfFields(['spec'], ['status', 'certificate']),
};

export interface Endpoint {
  group: string;
  kind: string;
  subresource: string;
  /** Whether the kind has a /status. */
  hasStatus: boolean;
  isCustom: boolean;
}

/** The fields that an endpoint leaves as they are, whatever a client sends. */
export function resetFieldsOf({ group, kind, subresource, hasStatus, isCustom }: Endpoint): FieldSet {
  const special = SPECIAL[`${group}/${kind}/${subresource}`];
  if (special) return special;
  if (subresource === 'status') {
    return isCustom || STATUS_WITHOUT_META.has(`${group}/${kind}`) ? META_AND_SPEC : SPEC;
  }
  return subresource === '' && hasStatus ? STATUS : EMPTY_SET;
}
