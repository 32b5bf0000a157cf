import type { WebhookTarget } from '../apiserver/webhook-client/webhook-client.ts';
import { SlipwayError } from '../base/errors.ts';
import { loadKubeconfig } from '../client/kubeconfig.ts';

/**
 * The server that a kubeconfig names, as upstream's webhook flags take it: `server` is the whole URL.
 * Errors: E_KUBECONFIG.
 */
export function webhookTarget(file: string): WebhookTarget {
  const { servers, credentials } = loadKubeconfig(file);
  const [url] = servers;
  const { ca, cert, key, token } = credentials();
  if (!url?.startsWith('https://')) {
    throw new SlipwayError('E_KUBECONFIG', `${file} has no server that begins with https://`);
  }
  return {
    url,
    ...(ca ? { caPem: ca } : {}),
    ...(cert && key ? { identity: { certPem: cert, keyPem: key } } : {}),
    ...(token ? { headers: { authorization: `Bearer ${token}` } } : {}),
  };
}
