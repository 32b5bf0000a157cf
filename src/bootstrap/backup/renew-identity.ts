import type { StoreRecord } from '../../storage/records.ts';

/** What the store says about servers that it no longer runs on, or about processes that are gone. */
const OF_PROCESSES = [
  // Who leads, and which servers and kubelets live: a new process would wait for the old one's lease to end.
  '/registry/leases.coordination.k8s.io/kube-system/',
  '/registry/leases.coordination.k8s.io/kube-node-lease/',
  // Which API servers live, by their addresses; no object of the API.
  '/registry/masterleases/',
  '/registry/certificatesigningrequests.certificates.k8s.io/',
  // Whoever holds an old one could join a server of their own.
  '/registry/secrets/kube-system/bootstrap-token-',
];
/** The addresses of the old API servers; each new one writes its own. */
const OF_API_SERVERS = [
  '/registry/endpoints/default/kubernetes',
  '/registry/endpointslices.discovery.k8s.io/default/kubernetes',
];
const NODE = '/registry/nodes/';
const POD = '/registry/pods/';

/**
 * The records that a restored cluster begins with: all but those of servers that are not `nodes`, of processes, and of
 * credentials that were meant for one use. Pods on servers that are gone are left out, as a garbage collector of pods
 * would delete them: their controllers make them anew elsewhere.
 */
export async function* forServers(
  records: AsyncIterable<StoreRecord>,
  nodes: ReadonlySet<string>,
): AsyncGenerator<StoreRecord> {
  for await (const record of records) {
    if (isForServers(record, nodes)) yield record;
  }
}

function isForServers({ key, value }: StoreRecord, nodes: ReadonlySet<string>): boolean {
  if (OF_PROCESSES.some((prefix) => key.startsWith(prefix)) || OF_API_SERVERS.includes(key)) return false;
  if (key.startsWith(NODE)) return nodes.has(key.slice(NODE.length));
  if (!key.startsWith(POD)) return true;
  const node = nodeOfPod(value);
  return node === undefined || nodes.has(node);
}

/** Undefined for a pod that waits for one, and for one that is encrypted, which the cluster must judge itself. */
function nodeOfPod(value: Buffer): string | undefined {
  try {
    const { spec } = JSON.parse(value.toString()) as { spec?: { nodeName?: string } };
    return spec?.nodeName;
  } catch {
    return undefined;
  }
}
