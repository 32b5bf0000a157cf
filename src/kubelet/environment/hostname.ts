import type { Pod } from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { nameOf, namespaceOf, specOf } from '../pods/pod-spec.ts';

/** One label of a name in the kernel: 64 bytes with the final zero. */
const MAX_LENGTH = 63;

/** The pod's hostname and, where it has a subdomain, its domain. Mirrors GeneratePodHostNameAndDomain. */
export function podHostname(pod: Pod, clusterDomain: string): { hostname: string; domain: string } {
  const { hostname, subdomain, hostnameOverride } = specOf(pod);
  if (hostnameOverride !== undefined) return { hostname: truncate(pod, hostnameOverride), domain: '' };
  const domain = subdomain ? `${subdomain}.${namespaceOf(pod)}.svc.${clusterDomain}` : '';
  return { hostname: truncate(pod, hostname || nameOf(pod)), domain };
}

/** What the sandbox's kernel is told: the short name, or the whole one where the pod asks for it. */
export function kernelHostname(pod: Pod, clusterDomain: string): string {
  const { hostname, domain } = podHostname(pod, clusterDomain);
  if (specOf(pod).setHostnameAsFQDN !== true || domain === '') return hostname;
  const full = `${hostname}.${domain}`;
  if (full.length > 64) {
    throw new SlipwayError(
      'E_HOSTNAME',
      `failed to construct FQDN from pod hostname and cluster domain, FQDN ${full} is too long (64 characters is the max, ${full.length} characters requested)`,
    );
  }
  return full;
}

function truncate(pod: Pod, hostname: string): string {
  if (hostname.length <= MAX_LENGTH) return hostname;
  const short = hostname.slice(0, MAX_LENGTH).replace(/[-.]+$/, '');
  if (short === '')
    throw new SlipwayError('E_HOSTNAME', `hostname for pod "${nameOf(pod)}" was invalid: "${hostname}"`);
  return short;
}
