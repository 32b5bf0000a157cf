import { NAMESPACES } from '../../../api/gen/resources.ts';
import type { DeviceRequest, DeviceRequestAllocationResult } from '../../../api/gen/types/resource-v1.ts';
import { forbidden } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';
import type { ObjectStore } from '../../object-store.ts';

const LABEL = 'resource.kubernetes.io/admin-access';

/** Whoever asks for devices that others use must be in a namespace that is labelled for it. */
export async function checkAdminAccess(
  requests: readonly DeviceRequest[] | undefined,
  namespace: string,
  store: ObjectStore,
): Promise<FieldError[]> {
  const index = requests?.findIndex(({ exactly }) => exactly?.adminAccess === true) ?? -1;
  if (index < 0) return [];
  return mayHaveAccess(`spec.devices.requests[${index}].adminAccess`, namespace, store);
}

/** The same of what is allocated; what was before is not looked at again. Mirrors pkg/registry/resource/utils.go. */
export async function checkAdminStatus(
  results: readonly DeviceRequestAllocationResult[] | undefined,
  before: readonly DeviceRequestAllocationResult[] | undefined,
  namespace: string,
  store: ObjectStore,
): Promise<FieldError[]> {
  if (before?.some(({ adminAccess }) => adminAccess === true)) return [];
  const index = results?.findIndex(({ adminAccess }) => adminAccess === true) ?? -1;
  if (index < 0) return [];
  return mayHaveAccess(`status.allocation.devices.results[${index}].adminAccess`, namespace, store);
}

async function mayHaveAccess(path: string, name: string, store: ObjectStore): Promise<FieldError[]> {
  const namespace = await store.get(NAMESPACES, name);
  if (namespace?.metadata?.labels?.[LABEL] === 'true') return [];
  const why = `admin access to devices requires the \`${LABEL}: true\` label on the containing namespace`;
  return [forbidden(path, why)];
}
