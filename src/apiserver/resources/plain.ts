import {
  DEVICECLASSES,
  RESOURCECLAIMS,
  RESOURCECLAIMTEMPLATES,
  RESOURCESLICES,
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
import { flowschemas } from './flowcontrol/flowschemas.ts';
import { prioritylevelconfigurations } from './flowcontrol/prioritylevelconfigurations.ts';
import { ipaddresses } from './networking/ipaddresses.ts';
import { servicecidrs } from './networking/servicecidrs.ts';
import { csidrivers } from './storage/csidrivers.ts';
import { csinodes } from './storage/csinodes.ts';
import { csistoragecapacities } from './storage/csistoragecapacities.ts';
import { volumeattachments } from './storage/volumeattachments.ts';
import { volumeattributesclasses } from './storage/volumeattributesclasses.ts';

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
  flowschemas,
  prioritylevelconfigurations,
  ipaddresses,
  servicecidrs,
  define(DEVICECLASSES),
  withStatus(RESOURCECLAIMS),
  define(RESOURCECLAIMTEMPLATES),
  define(RESOURCESLICES),
  csidrivers,
  csinodes,
  csistoragecapacities,
  volumeattachments,
  volumeattributesclasses,
];
