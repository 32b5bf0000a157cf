import type { PersistentVolume, Pod, PodSpec } from '../../api/gen/types/core-v1.ts';
import type { VolumeAttachment } from '../../api/gen/types/storage-v1.ts';
import { PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS } from '../../api/gen/resources.ts';
import type { ObjectFeed } from './object-feed.ts';

export type GraphKind = 'pods' | 'secrets' | 'configmaps' | 'persistentvolumeclaims' | 'serviceaccounts';

const MIRROR_ANNOTATION = 'kubernetes.io/config.mirror';

interface PodEntry {
  node: string;
  refs: string[];
}

/**
 * Which objects each node needs because one of its pods refers to them: what a node may read.
 * Mirrors plugin/pkg/auth/authorizer/node/graph.go.
 */
export class NodeGraph {
  readonly #pods = new Map<string, PodEntry>();
  /** Node → reference → the number of its pods that hold it. */
  readonly #needs = new Map<string, Map<string, number>>();
  readonly #volumes = new Map<string, { claim: string; secrets: string[] }>();
  /** A secret's reference → the volumes that need it. */
  readonly #secretVolumes = new Map<string, Set<string>>();
  readonly #attachments = new Map<string, string>();

  setPod(pod: Pod): void {
    const namespace = pod.metadata?.namespace ?? '';
    const name = pod.metadata?.name ?? '';
    this.deletePod(namespace, name);
    const node = pod.spec?.nodeName ?? '';
    if (node === '') return;
    const refs = [reference('pods', namespace, name)];
    // A mirror pod is the node's own word: it must never open other objects to it.
    if (pod.spec && pod.metadata?.annotations?.[MIRROR_ANNOTATION] === undefined) {
      refs.push(...podReferences(pod.spec, namespace, name));
    }
    this.#pods.set(`${namespace}/${name}`, { node, refs });
    let needs = this.#needs.get(node);
    if (!needs) this.#needs.set(node, (needs = new Map()));
    for (const ref of refs) needs.set(ref, (needs.get(ref) ?? 0) + 1);
  }

  deletePod(namespace: string, name: string): void {
    const known = this.#pods.get(`${namespace}/${name}`);
    if (!known) return;
    this.#pods.delete(`${namespace}/${name}`);
    const needs = this.#needs.get(known.node);
    if (!needs) return;
    for (const ref of known.refs) {
      const count = (needs.get(ref) ?? 0) - 1;
      if (count > 0) needs.set(ref, count);
      else needs.delete(ref);
    }
    if (needs.size === 0) this.#needs.delete(known.node);
  }

  setVolume(volume: PersistentVolume): void {
    const name = volume.metadata?.name ?? '';
    this.deleteVolume(name);
    const claim = volume.spec?.claimRef;
    if (!claim?.name || !claim.namespace) return;
    const secrets = volumeSecrets(volume, claim.namespace);
    this.#volumes.set(name, {
      claim: reference('persistentvolumeclaims', claim.namespace, claim.name),
      secrets,
    });
    for (const secret of secrets) {
      const names = this.#secretVolumes.get(secret);
      if (names) names.add(name);
      else this.#secretVolumes.set(secret, new Set([name]));
    }
  }

  deleteVolume(name: string): void {
    const known = this.#volumes.get(name);
    if (!known) return;
    this.#volumes.delete(name);
    for (const secret of known.secrets) {
      const names = this.#secretVolumes.get(secret);
      names?.delete(name);
      if (names?.size === 0) this.#secretVolumes.delete(secret);
    }
  }

  setAttachment(attachment: VolumeAttachment): void {
    this.#attachments.set(attachment.metadata?.name ?? '', attachment.spec.nodeName);
  }

  deleteAttachment(name: string): void {
    this.#attachments.delete(name);
  }

  /** Whether a pod on the node refers to the object, or a volume that such a pod claims needs the secret. */
  needs(node: string, kind: GraphKind, namespace: string, name: string): boolean {
    const ref = reference(kind, namespace, name);
    if (this.#needs.get(node)?.has(ref)) return true;
    if (kind !== 'secrets') return false;
    for (const volume of this.#secretVolumes.get(ref) ?? []) {
      if (this.needsVolume(node, volume)) return true;
    }
    return false;
  }

  needsVolume(node: string, volume: string): boolean {
    const known = this.#volumes.get(volume);
    return known !== undefined && this.#needs.get(node)?.has(known.claim) === true;
  }

  needsAttachment(node: string, attachment: string): boolean {
    return this.#attachments.get(attachment) === node;
  }
}

function reference(kind: GraphKind, namespace: string, name: string): string {
  return `${kind}:${namespace}/${name}`;
}

/** The secrets, config maps, claims and the service account that a pod's spec names, as graph references. */
function podReferences(spec: PodSpec, namespace: string, podName: string): string[] {
  const found = new Set<string>();
  const add = (kind: GraphKind, name: string | undefined) => {
    if (name) found.add(reference(kind, namespace, name));
  };
  add('serviceaccounts', spec.serviceAccountName);
  for (const secret of spec.imagePullSecrets ?? []) add('secrets', secret.name);
  const containers = [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...(spec.ephemeralContainers ?? []),
  ];
  for (const container of containers) {
    for (const source of container.envFrom ?? []) {
      add('secrets', source.secretRef?.name);
      add('configmaps', source.configMapRef?.name);
    }
    for (const variable of container.env ?? []) {
      add('secrets', variable.valueFrom?.secretKeyRef?.name);
      add('configmaps', variable.valueFrom?.configMapKeyRef?.name);
    }
  }
  for (const volume of spec.volumes ?? []) {
    add('secrets', volume.secret?.secretName);
    add('configmaps', volume.configMap?.name);
    add('persistentvolumeclaims', volume.persistentVolumeClaim?.claimName);
    if (volume.ephemeral) add('persistentvolumeclaims', `${podName}-${volume.name}`);
    for (const source of volume.projected?.sources ?? []) {
      add('secrets', source.secret?.name);
      add('configmaps', source.configMap?.name);
    }
    add('secrets', volume.azureFile?.secretName);
    add('secrets', volume.cephfs?.secretRef?.name);
    add('secrets', volume.cinder?.secretRef?.name);
    add('secrets', volume.csi?.nodePublishSecretRef?.name);
    add('secrets', volume.flexVolume?.secretRef?.name);
    add('secrets', volume.iscsi?.secretRef?.name);
    add('secrets', volume.rbd?.secretRef?.name);
    add('secrets', volume.scaleIO?.secretRef?.name);
    add('secrets', volume.storageos?.secretRef?.name);
  }
  return [...found];
}

/** The secrets that a kubelet reads to mount a volume. Mirrors pkg/api/v1/persistentvolume/util.go. */
function volumeSecrets(volume: PersistentVolume, claimNamespace: string): string[] {
  const spec = volume.spec;
  const refs = [
    spec?.azureFile && { name: spec.azureFile.secretName, namespace: spec.azureFile.secretNamespace },
    spec?.cephfs?.secretRef,
    spec?.cinder?.secretRef,
    spec?.csi?.nodePublishSecretRef,
    spec?.csi?.nodeStageSecretRef,
    spec?.csi?.nodeExpandSecretRef,
    spec?.flexVolume?.secretRef,
    spec?.iscsi?.secretRef,
    spec?.rbd?.secretRef,
    spec?.scaleIO?.secretRef,
    spec?.storageos?.secretRef,
  ];
  return refs.flatMap((ref) =>
    ref?.name ? [reference('secrets', ref.namespace || claimNamespace, ref.name)] : [],
  );
}

/** Keeps the graph up to date from the watch cache; returns the end of it. */
export function followNodeGraph(graph: NodeGraph, feed: ObjectFeed): () => void {
  const ends = [
    feed.follow(PODS, {
      set: (pod) => graph.setPod(pod),
      deleted: (pod) => graph.deletePod(pod.metadata?.namespace ?? '', pod.metadata?.name ?? ''),
    }),
    feed.follow(PERSISTENTVOLUMES, {
      set: (volume) => graph.setVolume(volume),
      deleted: (volume) => graph.deleteVolume(volume.metadata?.name ?? ''),
    }),
    feed.follow(VOLUMEATTACHMENTS, {
      set: (attachment) => graph.setAttachment(attachment),
      deleted: (attachment) => graph.deleteAttachment(attachment.metadata?.name ?? ''),
    }),
  ];
  return () => {
    for (const end of ends) end();
  };
}
