import type { Clock } from '../../base/clock.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { persistentVolumeClaimResize } from './claim-resize.ts';
import { defaultIngressClass, defaultStorageClass } from './default-classes.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { priority } from './priority.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';
import { storageObjectInUseProtection } from './storage-object-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';

export interface AdmissionOptions {
  authorizer: Authorizer;
  clock: Clock;
  /** A whole number from 0 to below the limit. */
  random(limit: number): number;
  webhooks: { mutatingPlugin: AdmissionPlugin; validatingPlugin: AdmissionPlugin };
  /** ValidatingAdmissionPolicies and MutatingAdmissionPolicies. */
  policies: { mutatingPlugin: AdmissionPlugin; validatingPlugin: AdmissionPlugin };
}

/** The built-in plugins in upstream's order (pkg/kubeapiserver/options/plugins.go). */
export function admissionPlugins(options: AdmissionOptions): AdmissionPlugin[] {
  return [
    namespaceLifecycle,
    serviceAccountPlugin(options),
    nodeRestriction(options.authorizer),
    taintNodesByCondition,
    priority,
    defaultTolerationSeconds,
    defaultStorageClass,
    storageObjectInUseProtection,
    persistentVolumeClaimResize,
    runtimeClass,
    certificateApproval(options.authorizer),
    certificateSigning(options.authorizer),
    certificateSubjectRestriction,
    defaultIngressClass,
    options.policies.mutatingPlugin,
    options.webhooks.mutatingPlugin,
    options.policies.validatingPlugin,
    options.webhooks.validatingPlugin,
  ];
}
