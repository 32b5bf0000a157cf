import type { Node } from '../../../api/gen/types/core-v1.ts';
import { NODES } from '../../../api/gen/resources.ts';
import type { ObjectStore } from '../../object-store.ts';
import { internalError, notFound } from '../../status-errors.ts';
import type { RelayTarget } from './relay.ts';

/** The client certificate that kubelets know this server by, and the CA that signed theirs; all PEM. */
export interface KubeletCredentials {
  cert: string;
  key: string;
  ca: string;
}

const ADDRESS_TYPES = ['InternalIP', 'Hostname', 'InternalDNS', 'ExternalDNS', 'ExternalIP'] as const;
const DEFAULT_PORT = 10250;

/** Finds a node's kubelet and says how to talk to it. Credentials are read anew, as they are rotated. */
export class KubeletConnector {
  readonly #credentials: () => KubeletCredentials;

  constructor(credentials: () => KubeletCredentials) {
    this.#credentials = credentials;
  }

  /** Rejects with a Status where there is no such node, or no address of it. */
  async target(store: ObjectStore, nodeName: string, path: string): Promise<RelayTarget> {
    const node = await store.get(NODES, nodeName);
    if (!node) throw notFound({ group: '', resource: 'nodes' }, nodeName);
    return this.targetOf(node, path);
  }

  targetOf(node: Node, path: string): RelayTarget {
    const addresses = node.status?.addresses ?? [];
    const host = ADDRESS_TYPES.map((type) => addresses.find((one) => one.type === type)?.address).find(
      (address) => address !== undefined && address !== '',
    );
    if (host === undefined) {
      throw internalError(`no preferred addresses found; known addresses: []`);
    }
    const port = node.status?.daemonEndpoints?.kubeletEndpoint?.Port || DEFAULT_PORT;
    return { scheme: 'https', host, port, path, tls: this.#credentials() };
  }
}
