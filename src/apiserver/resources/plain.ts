import { CRD_DEFINITION } from '../crd/crd-definition.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import {
  mutatingwebhookconfigurations,
  validatingwebhookconfigurations,
} from './admissionregistration/webhookconfigurations.ts';
import { apiservices } from './apiregistration/apiservices.ts';
import { flowschemas } from './flowcontrol/flowschemas.ts';
import { prioritylevelconfigurations } from './flowcontrol/prioritylevelconfigurations.ts';
import { ipaddresses } from './networking/ipaddresses.ts';
import { servicecidrs } from './networking/servicecidrs.ts';
import { resourceclaimtemplates } from './resource/resourceclaims.ts';
import { deviceclasses, resourceslices } from './resource/resourceslices.ts';
import { csidrivers } from './storage/csidrivers.ts';
import { csinodes } from './storage/csinodes.ts';
import { csistoragecapacities } from './storage/csistoragecapacities.ts';
import { volumeattachments } from './storage/volumeattachments.ts';
import { volumeattributesclasses } from './storage/volumeattributesclasses.ts';

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
  deviceclasses,
  resourceclaimtemplates,
  resourceslices,
  csidrivers,
  csinodes,
  csistoragecapacities,
  volumeattachments,
  volumeattributesclasses,
];
