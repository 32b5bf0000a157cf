import type {
  PodSecurityContext,
  PodSpec,
  SecurityContext,
  WindowsSecurityContextOptions,
} from '../../../../api/gen/types/core-v1.ts';
import { forbidden, invalid } from '../../../field-error.ts';
import { at, checkFormat, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { dnsSubdomain } from '../../validation/formats.ts';

const MAX_CREDENTIAL_KIB = 64;
const MAX_DOMAIN = 256;
const MAX_USER = 104;
const NET_BIOS = /^[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}$/;
const DNS_DOMAIN = /^[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*$/;

/** What of the two security contexts means something on Linux alone. */
const LINUX_POD = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const satisfies ReadonlyArray<keyof PodSecurityContext>;
const LINUX_CONTAINER = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const satisfies ReadonlyArray<keyof SecurityContext>;

interface Placed {
  context: SecurityContext | undefined;
  /** Of the container's security context. */
  path: string;
}

function contextsOf(path: string, spec: PodSpec): Placed[] {
  return (['initContainers', 'containers', 'ephemeralContainers'] as const).flatMap((list) =>
    (spec[list] ?? []).map(({ securityContext }, index) => ({
      context: securityContext,
      path: child(at(child(path, list), index), 'securityContext'),
    })),
  );
}

/** What the pod's system cannot have. Mirrors validateWindows and validateLinux of pkg/apis/core/validation/validation.go. */
export function validateSystem(errors: Errors, path: string, spec: PodSpec): void {
  const pod = child(path, 'securityContext');
  const contexts = contextsOf(path, spec);
  if (spec.os?.name === 'linux') {
    const why = 'windows options cannot be set for a linux pod';
    for (const { context, path: here } of [{ context: spec.securityContext, path: pod }, ...contexts]) {
      if (context?.windowsOptions) errors.push(forbidden(child(here, 'windowsOptions'), why));
    }
  }
  if (spec.os?.name !== 'windows') return;
  const why = 'cannot be set for a windows pod';
  for (const field of LINUX_POD) {
    const value = spec.securityContext?.[field];
    if (value !== undefined) errors.push(forbidden(child(pod, field), why));
  }
  for (const field of ['hostUsers', 'shareProcessNamespace'] as const) {
    if (spec[field] !== undefined) errors.push(forbidden(child(path, field), why));
  }
  for (const field of ['hostPID', 'hostIPC'] as const) {
    if (spec[field]) errors.push(forbidden(child(path, field), why));
  }
  for (const { context, path: here } of contexts) {
    for (const field of LINUX_CONTAINER) {
      if (context?.[field] !== undefined) errors.push(forbidden(child(here, field), why));
    }
  }
}

/** Mirrors validateWindowsHostProcessPod. */
export function validateHostProcess(errors: Errors, path: string, spec: PodSpec): void {
  const ofPod = spec.securityContext?.windowsOptions?.hostProcess;
  const contexts = contextsOf(path, spec);
  let count = 0;
  for (const { context, path: here } of contexts) {
    const own = context?.windowsOptions?.hostProcess;
    if (ofPod !== undefined && own !== undefined && own !== ofPod) {
      const why = `pod hostProcess value must be identical if both are specified, was ${ofPod}`;
      errors.push(invalid(child(here, 'windowsOptions', 'hostProcess'), own, why));
    }
    if (own ?? ofPod) count += 1;
  }
  if (count === 0) return;
  if (count !== contexts.length) {
    const why =
      'If pod contains any hostProcess containers then all containers must be HostProcess containers';
    errors.push(invalid(path, '', why));
  }
  if (!spec.hostNetwork) {
    const why = 'hostNetwork must be true if pod contains any hostProcess containers';
    errors.push(invalid(child(path, 'hostNetwork'), false, why));
  }
}

/** Mirrors validateWindowsSecurityContextOptions. */
export function validateWindowsOptions(
  errors: Errors,
  path: string,
  options: WindowsSecurityContextOptions | undefined,
): void {
  if (!options) return;
  const { gmsaCredentialSpecName: name, gmsaCredentialSpec: credential, runAsUserName } = options;
  if (name !== undefined)
    checkFormat(errors, child(path, 'gmsaCredentialSpecName'), name, dnsSubdomain(name));
  const field = child(path, 'gmsaCredentialSpec');
  if (credential === '') {
    errors.push(invalid(field, credential, 'gmsaCredentialSpec cannot be an empty string'));
  } else if (credential !== undefined && Buffer.byteLength(credential) > MAX_CREDENTIAL_KIB * 1024) {
    const why = `gmsaCredentialSpec size must be under ${MAX_CREDENTIAL_KIB} KiB`;
    errors.push(invalid(field, credential, why));
  }
  if (runAsUserName === undefined) return;
  checkFormat(errors, child(path, 'runAsUserName'), runAsUserName, userProblems(runAsUserName));
}

function userProblems(name: string): string[] {
  if (name === '') return ['runAsUserName cannot be an empty string'];
  if (/\p{Cc}/u.test(name)) return ['runAsUserName cannot contain control characters'];
  const parts = name.split('\\');
  if (parts.length > 2) return ['runAsUserName cannot contain more than one backslash'];
  const user = parts.at(-1) ?? '';
  const domain = parts.length === 2 ? (parts[0] ?? '') : undefined;
  const problems: string[] = [];
  if (domain !== undefined && domain.length >= MAX_DOMAIN) {
    problems.push(`runAsUserName's Domain length must be under ${MAX_DOMAIN} characters`);
  }
  if (domain !== undefined && !NET_BIOS.test(domain) && !DNS_DOMAIN.test(domain)) {
    problems.push("runAsUserName's Domain doesn't match the NetBios nor the DNS format");
  }
  if (user === '') problems.push("runAsUserName's User cannot be empty");
  else if (user.length > MAX_USER) {
    problems.push(`runAsUserName's User length must not be longer than ${MAX_USER} characters`);
  }
  if (/^[. ]+$/.test(user)) problems.push("runAsUserName's User cannot contain only periods or spaces");
  if (/["/\\:;|=,+*?<>@[\]]/.test(user)) {
    problems.push(`runAsUserName's User cannot contain the following characters: "/\\:;|=,+*?<>@[]`);
  }
  return problems;
}
