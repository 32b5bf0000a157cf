import type { AdmissionAttributes } from '../../admission-plugin.ts';

/** Nothing of these is ever stored, and a policy on them could keep everyone out. */
const REVIEWS: ReadonlySet<string> = new Set([
  'authentication.k8s.io/selfsubjectreviews',
  'authentication.k8s.io/tokenreviews',
  'authorization.k8s.io/localsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectaccessreviews',
  'authorization.k8s.io/selfsubjectrulesreviews',
  'authorization.k8s.io/subjectaccessreviews',
]);

/** What no policy is asked about: policies themselves, and reviews. Mirrors kubeapiserver/admission/exclusion. */
export function isExcluded({ resource }: AdmissionAttributes): boolean {
  const isPolicy =
    resource.group === 'admissionregistration.k8s.io' &&
    /^(?:validating|mutating)admissionpolic(?:ies|ybindings)$/.test(resource.resource);
  return isPolicy || REVIEWS.has(`${resource.group}/${resource.resource}`);
}
