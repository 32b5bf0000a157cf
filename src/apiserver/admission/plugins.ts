import { SlipwayError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import type { AdmissionPlugin } from '../admission-plugin.ts';
import type { Authorizer } from '../authorization.ts';
import { DEFAULT_ADMISSION } from './admission-config.ts';
import type { AdmissionConfig } from './admission-config.ts';
import { certificateApproval, certificateSigning, certificateSubjectRestriction } from './certificates.ts';
import { persistentVolumeClaimResize } from './claim-resize.ts';
import { defaultIngressClass, defaultStorageClass } from './default-classes.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { eventRateLimit } from './event-rate-limit.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { podSecurity } from './pod-security/pod-security.ts';
import { priority } from './priority.ts';
import { resourceQuota } from './resource-quota.ts';
import { runtimeClass } from './runtime-class.ts';
import { serviceAccountPlugin } from './service-account.ts';
import { alwaysPullImages, denyServiceExternalIps } from './small-plugins.ts';
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
  config?: AdmissionConfig;
}

/** Run only where they are asked for. */
const OFF_BY_DEFAULT = new Set(['AlwaysPullImages', 'DenyServiceExternalIPs', 'EventRateLimit']);

/**
 * The plugins that run, in upstream's order (pkg/kubeapiserver/options/plugins.go). Throws E_ADMISSION_CONFIG for names
 * that are no plugin's.
 */
export function admissionPlugins(options: AdmissionOptions): AdmissionPlugin[] {
  const { enabled, disabled } = options.config ?? DEFAULT_ADMISSION;
  const all = allPlugins(options);
  const unknown = [...enabled, ...disabled].filter((name) => !all.some((plugin) => plugin.name === name));
  if (unknown.length > 0) {
    throw new SlipwayError('E_ADMISSION_CONFIG', `there is no admission plugin ${unknown.join(', ')}`, {
      hint: `the plugins are ${all.map(({ name }) => name).join(', ')}`,
    });
  }
  const both = enabled.filter((name) => disabled.includes(name));
  if (both.length > 0) {
    throw new SlipwayError('E_ADMISSION_CONFIG', `${both.join(', ')} is to be both enabled and disabled`, {
      hint: 'name a plugin in one of --enable-admission-plugins and --disable-admission-plugins',
    });
  }
  return all.filter(
    ({ name }) => !disabled.includes(name) && (!OFF_BY_DEFAULT.has(name) || enabled.includes(name)),
  );
}

function allPlugins(options: AdmissionOptions): AdmissionPlugin[] {
  const { podSecurity: security, eventLimits, limitedResources } = options.config ?? DEFAULT_ADMISSION;
  return [
    namespaceLifecycle,
    alwaysPullImages,
    limitRanger,
    serviceAccountPlugin(options),
    nodeRestriction(options.authorizer),
    taintNodesByCondition,
    podSecurity(security),
    priority,
    defaultTolerationSeconds,
    defaultStorageClass,
    eventRateLimit(eventLimits, options.clock),
    storageObjectInUseProtection,
    persistentVolumeClaimResize,
    runtimeClass,
    certificateApproval(options.authorizer),
    certificateSigning(options.authorizer),
    certificateSubjectRestriction,
    defaultIngressClass,
    denyServiceExternalIps,
    options.policies.mutatingPlugin,
    options.webhooks.mutatingPlugin,
    options.policies.validatingPlugin,
    options.webhooks.validatingPlugin,
    // The last: what it charges nobody else may refuse any more.
    resourceQuota(options.clock, limitedResources),
  ];
}
