import { join } from 'node:path';
import type { Pod } from '../api/gen/types/core-v1.ts';
import { nameOf, namespaceOf, uidOf } from './pods/pod-spec.ts';

/** Where the kubelet keeps what is not in the runtime. Upstream's layout, so that tools find it. */
export class KubeletPaths {
  readonly root: string;
  /** '/var/log/pods'. */
  readonly podLogs: string;
  /** '/var/log/containers'. */
  readonly containerLogs: string;

  constructor(options: { root: string; podLogs: string; containerLogs: string }) {
    this.root = options.root;
    this.podLogs = options.podLogs;
    this.containerLogs = options.containerLogs;
  }

  pods(): string {
    return join(this.root, 'pods');
  }

  pod(uid: string): string {
    return join(this.pods(), uid);
  }

  volumes(uid: string): string {
    return join(this.pod(uid), 'volumes');
  }

  /** `plugin` is 'empty-dir', 'configmap' …: '…/volumes/kubernetes.io~configmap/name'. */
  volume(uid: string, plugin: string, name: string): string {
    return join(this.volumes(uid), `kubernetes.io~${plugin}`, name);
  }

  subpaths(uid: string): string {
    return join(this.pod(uid), 'volume-subpaths');
  }

  container(uid: string, name: string): string {
    return join(this.pod(uid), 'containers', name);
  }

  etcHosts(uid: string): string {
    return join(this.pod(uid), 'etc-hosts');
  }

  podLogDir(pod: Pod): string {
    return join(this.podLogs, `${namespaceOf(pod)}_${nameOf(pod)}_${uidOf(pod)}`);
  }

  containerLogDir(pod: Pod, container: string): string {
    return join(this.podLogDir(pod), container);
  }

  /** The name under which log collectors look for a container's log. */
  containerLogLink(pod: Pod, container: string, id: string): string {
    return join(this.containerLogs, `${nameOf(pod)}_${namespaceOf(pod)}_${container}-${id}.log`);
  }
}
