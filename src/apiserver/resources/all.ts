import type { ResourceDefinition } from '../resource-definition.ts';
import {
  mutatingadmissionpolicies,
  mutatingadmissionpolicybindings,
  validatingadmissionpolicies,
  validatingadmissionpolicybindings,
} from './admissionregistration/policies.ts';
import { controllerrevisions } from './apps/controllerrevisions.ts';
import { daemonsets } from './apps/daemonsets.ts';
import { deployments } from './apps/deployments.ts';
import { replicasets } from './apps/replicasets.ts';
import { statefulsets } from './apps/statefulsets.ts';
import { selfsubjectreviews, tokenreviews } from './authentication/reviews.ts';
import { accessReviews } from './authorization/reviews.ts';
import {
  horizontalpodautoscalers,
  horizontalpodautoscalersV1,
} from './autoscaling/horizontalpodautoscalers.ts';
import { cronjobs } from './batch/cronjobs.ts';
import { jobs } from './batch/jobs.ts';
import { certificatesigningrequests } from './certificates/certificatesigningrequests.ts';
import { leases } from './coordination/leases.ts';
import { bindings } from './core/bindings.ts';
import { componentStatuses } from './core/componentstatuses.ts';
import { configmaps } from './core/configmaps.ts';
import { endpoints } from './core/endpoints.ts';
import { events } from './core/events.ts';
import { limitranges } from './core/limitranges.ts';
import { namespaces } from './core/namespaces.ts';
import { rangeAllocations } from './core/node-ports.ts';
import { nodes } from './core/nodes.ts';
import { persistentvolumeclaims } from './core/persistentvolumeclaims.ts';
import { persistentvolumes } from './core/persistentvolumes.ts';
import { pods } from './core/pods.ts';
import { podtemplates } from './core/podtemplates.ts';
import { replicationcontrollers } from './core/replicationcontrollers.ts';
import { resourcequotas } from './core/resourcequotas.ts';
import { secrets } from './core/secrets.ts';
import type { ServiceNetwork } from './core/service-network.ts';
import { serviceaccounts } from './core/serviceaccounts.ts';
import { services } from './core/services.ts';
import { endpointslices } from './discovery/endpointslices.ts';
import type { ResourceEnvironment } from './environment.ts';
import { eventsV1 } from './events/events.ts';
import { ingressclasses, ingresses } from './networking/ingresses.ts';
import { networkpolicies } from './networking/networkpolicies.ts';
import { runtimeclasses } from './node/runtimeclasses.ts';
import { PLAIN_RESOURCES } from './plain.ts';
import { resourceclaims } from './resource/resourceclaims.ts';
import { poddisruptionbudgets } from './policy/poddisruptionbudgets.ts';
import { clusterrolebindings, rolebindings } from './rbac/bindings.ts';
import { clusterroles, roles } from './rbac/roles.ts';
import { priorityclasses } from './scheduling/priorityclasses.ts';
import { storageclasses } from './storage/storageclasses.ts';

/** Every built-in kind that the server serves; a kind's newer version comes before its older one. */
export function builtInResources(
  environment: ResourceEnvironment,
  network: ServiceNetwork,
): ResourceDefinition[] {
  return [
    bindings,
    componentStatuses(environment.checkStore),
    configmaps,
    endpoints,
    events,
    limitranges,
    namespaces,
    nodes(environment),
    persistentvolumeclaims,
    persistentvolumes,
    pods(environment),
    podtemplates,
    replicationcontrollers,
    resourcequotas,
    secrets,
    serviceaccounts(environment),
    services(network),
    rangeAllocations,
    controllerrevisions,
    daemonsets,
    deployments,
    replicasets,
    statefulsets,
    selfsubjectreviews,
    tokenreviews(environment),
    ...accessReviews(environment),
    horizontalpodautoscalers,
    horizontalpodautoscalersV1,
    cronjobs,
    jobs,
    certificatesigningrequests,
    leases,
    endpointslices,
    eventsV1,
    ingressclasses,
    ingresses,
    networkpolicies,
    runtimeclasses,
    poddisruptionbudgets,
    clusterrolebindings,
    clusterroles(environment),
    rolebindings(environment),
    roles(environment),
    priorityclasses,
    storageclasses,
    mutatingadmissionpolicies(environment),
    mutatingadmissionpolicybindings,
    validatingadmissionpolicies(environment),
    validatingadmissionpolicybindings,
    resourceclaims(environment),
    ...PLAIN_RESOURCES,
  ].map((resource) => (typeof resource === 'function' ? resource(environment) : resource));
}
