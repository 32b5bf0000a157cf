import {
  CSIDRIVERS,
  CSINODES,
  CSISTORAGECAPACITIES,
  DEVICECLASSES,
  FLOWSCHEMAS,
  IPADDRESSES,
  PRIORITYLEVELCONFIGURATIONS,
  RESOURCECLAIMS,
  RESOURCECLAIMTEMPLATES,
  RESOURCESLICES,
  SERVICECIDRS,
  VOLUMEATTACHMENTS,
  VOLUMEATTRIBUTESCLASSES,
} from '../../api/gen/resources.ts';
import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { CRD_DEFINITION } from '../crd/crd-definition.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import {
  mutatingwebhookconfigurations,
  validatingwebhookconfigurations,
} from './admissionregistration/webhookconfigurations.ts';
import { apiservices } from './apiregistration/apiservices.ts';
import { define, statusOf, statusStrategy } from './define.ts';

function withStatus<T extends KubeObject>(
  info: ResourceInfo<T>,
  rest: Omit<ResourceDefinition<T>, 'info'> = {},
): ResourceDefinition {
  return define(info, { strategy: statusStrategy, subresources: [statusOf<T>()], ...rest });
}

/** Kinds that are stored and served by their schema alone, without rules of their own yet. */
export const PLAIN_RESOURCES: readonly ResourceDefinition[] = [
  mutatingwebhookconfigurations,
  validatingwebhookconfigurations,
  CRD_DEFINITION,
  apiservices,
  withStatus(FLOWSCHEMAS),
  withStatus(PRIORITYLEVELCONFIGURATIONS),
  define(IPADDRESSES, { shortNames: ['ip'] }),
  withStatus(SERVICECIDRS),
  define(DEVICECLASSES),
  withStatus(RESOURCECLAIMS),
  define(RESOURCECLAIMTEMPLATES),
  define(RESOURCESLICES),
  define(CSIDRIVERS),
  define(CSINODES),
  define(CSISTORAGECAPACITIES),
  withStatus(VOLUMEATTACHMENTS),
  define(VOLUMEATTRIBUTESCLASSES, { shortNames: ['vac'] }),
];
