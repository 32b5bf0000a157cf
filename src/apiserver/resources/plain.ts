import {
  APISERVICES,
  CSIDRIVERS,
  CSINODES,
  CSISTORAGECAPACITIES,
  DEVICECLASSES,
  FLOWSCHEMAS,
  IPADDRESSES,
  MUTATINGADMISSIONPOLICIES,
  MUTATINGADMISSIONPOLICYBINDINGS,
  PRIORITYLEVELCONFIGURATIONS,
  RESOURCECLAIMS,
  RESOURCECLAIMTEMPLATES,
  RESOURCESLICES,
  SERVICECIDRS,
  VALIDATINGADMISSIONPOLICIES,
  VALIDATINGADMISSIONPOLICYBINDINGS,
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
import { define, statusOf, statusStrategy } from './define.ts';

/** Kinds that are stored and served by their schema alone, without rules of their own yet. */
const EXTENSIONS = ['api-extensions'] as const;

function withStatus<T extends KubeObject>(
  info: ResourceInfo<T>,
  rest: Omit<ResourceDefinition<T>, 'info'> = {},
): ResourceDefinition {
  return define(info, { strategy: statusStrategy, subresources: [statusOf<T>()], ...rest });
}

export const PLAIN_RESOURCES: readonly ResourceDefinition[] = [
  define(MUTATINGADMISSIONPOLICIES, { categories: EXTENSIONS }),
  define(MUTATINGADMISSIONPOLICYBINDINGS, { categories: EXTENSIONS }),
  mutatingwebhookconfigurations,
  withStatus(VALIDATINGADMISSIONPOLICIES, { categories: EXTENSIONS }),
  define(VALIDATINGADMISSIONPOLICYBINDINGS, { categories: EXTENSIONS }),
  validatingwebhookconfigurations,
  CRD_DEFINITION,
  withStatus(APISERVICES, { categories: EXTENSIONS }),
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
