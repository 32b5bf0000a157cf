import { createHash } from 'node:crypto';
import { CONFIGMAPS, NAMESPACES, PODS } from '../../../api/gen/resources.ts';
import type { Pod } from '../../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../../base/errors.ts';
import { runScript } from '../../../provision/host.ts';
import type { Cluster, Node } from '../../cluster.ts';
import type { ClusterPhase, NodePhase } from '../../phase.ts';
import { allNodes } from '../../phase.ts';
import { apiOf } from '../../phases/wait-apiserver.ts';

const NAME = 'kube-root-ca.crt';
const PUBLISHED_WITHIN_MS = 60_000;
/** Kubelets look at the volumes of each pod at least every 90 s. */
const REFRESHED_WITHIN_MS = 180_000;

/** Waits until every namespace has the present authorities for its pods. */
export const waitPublished: ClusterPhase = {
  id: 'published-authorities',
  title: 'Wait until every namespace has the authorities',
  kind: 'wait',
  run: async (cluster) => {
    await untilNone(cluster, PUBLISHED_WITHIN_MS, async () => {
      const stale = await staleNamespaces(cluster);
      return stale.length === 0
        ? undefined
        : `${NAME} is not current in ${stale.join(', ')}: look at "journalctl -u slipway-controller-manager"`;
    });
  },
};

async function staleNamespaces(cluster: Cluster): Promise<string[]> {
  const client = apiOf(cluster);
  const [namespaces, maps] = await Promise.all([
    client.list(NAMESPACES),
    client.list(CONFIGMAPS, { fieldSelector: `metadata.name=${NAME}` }),
  ]);
  const current = new Set(
    maps.items
      .filter(({ data }) => data?.['ca.crt'] === cluster.pki['pki/ca.crt'])
      .map(({ metadata }) => metadata?.namespace),
  );
  return namespaces.items
    .filter(({ metadata }) => metadata?.deletionTimestamp === undefined && !current.has(metadata?.name))
    .map(({ metadata }) => metadata?.name ?? '');
}

/** Waits until the kubelets have written the present authorities into the volumes of all pods that run. */
export const waitPodsTrust: NodePhase = {
  id: 'pods-trust',
  title: 'Wait until the pods have the authorities',
  kind: 'wait',
  nodes: allNodes,
  run: async (node, cluster) => {
    const wanted = createHash('sha256')
      .update(cluster.pki['pki/ca.crt'] ?? '')
      .digest('hex');
    await untilNone(cluster, REFRESHED_WITHIN_MS, async () => {
      const found = await inPodVolumes(node, 'ca.crt', 'sha256sum "$path" | cut -c 1-64');
      const stale = found.filter(({ value }) => value !== wanted);
      return stale.length === 0
        ? undefined
        : `${node.name}: pods still have the authorities of before: ${[...new Set(stale.map(({ pod }) => pod))].join(', ')}`;
    });
  },
};

/** What a shell command prints for a file of every projected volume of the pods that run on a node. */
export async function inPodVolumes(
  node: Node,
  name: 'ca.crt' | 'token',
  print: string,
): Promise<Array<{ pod: string; value: string }>> {
  const { items } = await apiOf(node.cluster).list(PODS, { fieldSelector: `spec.nodeName=${node.name}` });
  const script = `
for path in /var/lib/kubelet/pods/*/volumes/kubernetes.io~projected/*/${name}; do
  [ -e "$path" ] || continue
  printf '%s %s\\n' "$path" "$(${print})"
done
`;
  const text = await runScript(node.host, 'looking at the volumes of pods', script, {
    signal: node.cluster.signal,
  });
  const names = new Map(items.filter(isRunning).map(({ metadata }) => [metadata?.uid, metadata?.name ?? '']));
  return text
    .split('\n')
    .filter((line) => line !== '')
    .flatMap((line) => {
      const [path = '', value = ''] = line.split(' ');
      const pod = names.get(path.split('/')[5]);
      return pod === undefined ? [] : [{ pod, value }];
    });
}

/** Volumes of pods that have ended, or end, are not kept current any more. */
const isRunning = ({ metadata, status }: Pod): boolean =>
  status?.phase === 'Running' && metadata?.deletionTimestamp === undefined;

/** Asks until there is nothing to say; E_NOT_READY with what was said last. */
export async function untilNone(
  { clock, signal }: Cluster,
  withinMs: number,
  ask: () => Promise<string | undefined>,
): Promise<void> {
  const deadlineMs = clock.monotonicMs() + withinMs;
  for (;;) {
    const said = await ask();
    if (said === undefined) return;
    if (clock.monotonicMs() > deadlineMs) {
      throw new SlipwayError('E_NOT_READY', `${said} (for ${withinMs / 1000} s)`, {
        hint: 'run the same command again: it continues where it stopped',
      });
    }
    await clock.sleep(500, signal);
  }
}
