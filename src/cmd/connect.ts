import type { ComponentContext } from './component.ts';
import type { RestClient } from '../client/rest-client.ts';

/** A client of the cluster that a kubeconfig names; it fails over between its API servers by itself. */
export async function connect(
  kubeconfig: string,
  userAgent: string,
  { clock, log }: ComponentContext,
): Promise<RestClient> {
  const [{ RestClient }, { loadKubeconfig }, { releaseInfo }] = await Promise.all([
    import('../client/rest-client.ts'),
    import('../client/kubeconfig.ts'),
    import('../base/version.ts'),
  ]);
  const { version } = releaseInfo();
  return new RestClient({
    ...loadKubeconfig(kubeconfig, { clock }),
    userAgent: `${userAgent}/${version}`,
    clock,
    log,
  });
}
