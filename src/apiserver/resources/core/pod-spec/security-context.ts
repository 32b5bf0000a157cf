import type {
  AppArmorProfile,
  PodSecurityContext,
  PodSpec,
  SeccompProfile,
  SecurityContext,
} from '../../../../api/gen/types/core-v1.ts';
import { duplicate, invalid, notSupported, required } from '../../../field-error.ts';
import { at, checkFormat, checkLocalPath, checkOptionalEnum, child } from '../../validation/checks.ts';
import type { Errors } from '../../validation/checks.ts';
import { SYSCTL_PATTERN, isSysctlName, unixId } from '../../validation/formats.ts';
import { validateWindowsOptions } from './windows.ts';

/** Mirrors validatePodSpecSecurityContext of pkg/apis/core/validation/validation.go. */
export function validatePodSecurity(
  errors: Errors,
  path: string,
  context: PodSecurityContext | undefined,
  spec: PodSpec,
): void {
  if (!context) return;
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) {
    const value = context[field];
    if (value !== undefined) checkFormat(errors, child(path, field), value, unixId(value));
  }
  (context.supplementalGroups ?? []).forEach((group, index) => {
    checkFormat(errors, at(child(path, 'supplementalGroups'), index), group, unixId(group));
  });
  if (spec.shareProcessNamespace && spec.hostPID) {
    const why = 'ShareProcessNamespace and HostPID cannot both be enabled';
    errors.push(invalid(child(path, 'shareProcessNamespace'), true, why));
  }
  validateSysctls(errors, child(path, 'sysctls'), context, spec);
  checkOptionalEnum(errors, child(path, 'fsGroupChangePolicy'), context.fsGroupChangePolicy, [
    'Always',
    'OnRootMismatch',
  ]);
  validateSeccomp(errors, child(path, 'seccompProfile'), context.seccompProfile);
  validateAppArmor(errors, child(path, 'appArmorProfile'), context.appArmorProfile);
  checkOptionalEnum(errors, child(path, 'supplementalGroupsPolicy'), context.supplementalGroupsPolicy, [
    'Merge',
    'Strict',
  ]);
  // The other way to label volumes is behind a feature that is off.
  checkOptionalEnum(errors, child(path, 'seLinuxChangePolicy'), context.seLinuxChangePolicy, ['Recursive']);
  validateWindowsOptions(errors, child(path, 'windowsOptions'), context.windowsOptions);
}

/** Kernel settings by the namespace that isolates them, as upstream's component-helpers/node/util/sysctl. */
function sysctlNamespace(name: string): 'ipc' | 'net' | undefined {
  const dotted =
    name.includes('/') && name.indexOf('/') < (name + '.').indexOf('.') ? name.replaceAll('/', '.') : name;
  if (/^kernel\.(sem$|shm|msg)|^fs\.mqueue\./.test(dotted)) return 'ipc';
  return dotted.startsWith('net.') ? 'net' : undefined;
}

function validateSysctls(errors: Errors, path: string, context: PodSecurityContext, spec: PodSpec): void {
  const names = new Set<string>();
  (context.sysctls ?? []).forEach((sysctl, index) => {
    const field = child(at(path, index), 'name');
    if (!sysctl.name) errors.push(required(field));
    else if (!isSysctlName(sysctl.name)) {
      const why = `must have at most 253 characters and match regex ^${SYSCTL_PATTERN}$`;
      errors.push(invalid(field, sysctl.name, why));
    } else if (names.has(sysctl.name)) errors.push(duplicate(field, sysctl.name));
    const namespace = sysctlNamespace(sysctl.name);
    if (spec.hostNetwork && namespace === 'net') {
      errors.push(invalid(field, sysctl.name, "may not be specified when 'hostNetwork' is true"));
    }
    if (spec.hostIPC && namespace === 'ipc') {
      errors.push(invalid(field, sysctl.name, "may not be specified when 'hostIPC' is true"));
    }
    names.add(sysctl.name);
  });
}

export function validateContainerSecurity(
  errors: Errors,
  path: string,
  context: SecurityContext | undefined,
  spec: PodSpec,
): void {
  if (!context) return;
  for (const field of ['runAsUser', 'runAsGroup'] as const) {
    const value = context[field];
    if (value !== undefined) checkFormat(errors, child(path, field), value, unixId(value));
  }
  if (context.procMount !== undefined) {
    const field = child(path, 'procMount');
    if (!['Default', 'Unmasked'].includes(context.procMount)) {
      errors.push(notSupported(field, context.procMount, ['Default', 'Unmasked']));
    }
    if (spec.hostUsers !== false && context.procMount === 'Unmasked') {
      errors.push(invalid(field, context.procMount, '`hostUsers` must be false to use `Unmasked`'));
    }
  }
  validateSeccomp(errors, child(path, 'seccompProfile'), context.seccompProfile);
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) {
      const why = 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true';
      errors.push(invalid(path, context, why));
    }
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      const why = 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN';
      errors.push(invalid(path, context, why));
    }
  }
  validateAppArmor(errors, child(path, 'appArmorProfile'), context.appArmorProfile);
  validateWindowsOptions(errors, child(path, 'windowsOptions'), context.windowsOptions);
}

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined'];

function validateSeccomp(errors: Errors, path: string, profile: SeccompProfile | undefined): void {
  if (!profile) return;
  if (!profile.type) {
    errors.push(required(child(path, 'type'), 'type is required when seccompProfile is set'));
  } else if (!PROFILE_TYPES.includes(profile.type)) {
    errors.push(notSupported(child(path, 'type'), profile.type, PROFILE_TYPES));
  }
  const field = child(path, 'localhostProfile');
  if (profile.type === 'Localhost') {
    if (profile.localhostProfile === undefined) {
      errors.push(required(field, 'must be set when seccomp type is Localhost'));
    } else {
      checkLocalPath(errors, field, profile.localhostProfile);
    }
  } else if (profile.localhostProfile !== undefined) {
    errors.push(invalid(field, profile, 'can only be set when seccomp type is Localhost'));
  }
}

function validateAppArmor(errors: Errors, path: string, profile: AppArmorProfile | undefined): void {
  if (!profile) return;
  const field = child(path, 'localhostProfile');
  const local = profile.localhostProfile;
  if (!profile.type)
    errors.push(required(child(path, 'type'), 'type is required when appArmorProfile is set'));
  else if (!PROFILE_TYPES.includes(profile.type)) {
    errors.push(notSupported(child(path, 'type'), profile.type, PROFILE_TYPES));
  }
  if (profile.type === 'Localhost') {
    if (local === undefined) {
      errors.push(required(field, 'must be set when AppArmor type is Localhost'));
    } else if (local.trim() !== local) {
      errors.push(invalid(field, local, 'must not be padded with whitespace'));
    } else if (local === '') {
      errors.push(required(field, 'must be set when AppArmor type is Localhost'));
    }
  } else if (local !== undefined) {
    errors.push(invalid(field, local, 'can only be set when AppArmor type is Localhost'));
  }
}
