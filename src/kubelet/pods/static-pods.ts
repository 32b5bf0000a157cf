import { createHash } from 'node:crypto';
import { watch } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { load } from 'js-yaml';
import { PODS } from '../../api/gen/resources.ts';
import type { Node, Pod } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { isAbort, messageOf, SlipwayError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Client } from '../../client/client.ts';
import { isAlreadyExists, isNotFound } from '../../client/errors.ts';
import { Wake } from '../wake.ts';
import { defaultPod } from './static-defaults.ts';
import { CONFIG_HASH, CONFIG_MIRROR, CONFIG_SOURCE, nameOf, namespaceOf, specOf, uidOf } from './pod-spec.ts';

export interface StaticPodsOptions {
  folder: string;
  nodeName: string;
  client: Client;
  clock: Clock;
  log: Logger;
  onUpdate: (pod: Pod) => void;
  onRemove: (uid: string) => void;
  /** The API's object of that name, where it has one. */
  apiPod: (namespace: string, name: string) => Pod | undefined;
  node: () => Node | undefined;
}

/** Upstream's file check frequency. */
const LOOK_MS = 20_000;

/** Pods of the manifest folder: they run without the API, which gets mirrors of them. Mirrors pkg/kubelet/config/file.go. */
export class StaticPods {
  readonly #options: StaticPodsOptions;
  readonly #pods = new Map<string, Pod>();
  readonly #wake: Wake;

  constructor(options: StaticPodsOptions) {
    this.#options = options;
    this.#wake = new Wake(options.clock);
  }

  pods(): Pod[] {
    return [...this.#pods.values()];
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  /** The uid of the pod's mirror in the API. */
  mirrorUid(pod: Pod): string | undefined {
    const mirror = this.#options.apiPod(namespaceOf(pod), nameOf(pod));
    return isMirrorOf(mirror, pod) ? mirror?.metadata?.uid : undefined;
  }

  /** A mirror is gone, or a manifest may have changed: look now. */
  lookSoon(): void {
    this.#wake.poke();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { folder, log } = this.#options;
    let watcher: ReturnType<typeof watch> | undefined;
    try {
      watcher = watch(folder, () => this.#wake.poke());
      watcher.on('error', () => undefined);
    } catch {
      log.debug({ folder }, 'the manifest folder is not watched, only looked at');
    }
    while (!signal.aborted) {
      try {
        await this.look();
        await this.syncMirrors();
      } catch (error) {
        if (!isAbort(error)) log.warn({ folder, error: messageOf(error) }, 'manifests not read');
      }
      await this.#wake.wait(LOOK_MS, signal);
    }
    watcher?.close();
  }

  async look(): Promise<void> {
    const { folder, log, onRemove, onUpdate } = this.#options;
    const found = new Map<string, Pod>();
    for (const name of (await readdir(folder).catch(() => [] as string[])).sort()) {
      if (name.startsWith('.') || !/\.(ya?ml|json|manifest)$/.test(name)) continue;
      const path = join(folder, name);
      try {
        const pod = staticPod(await readFile(path, 'utf8'), path, this.#options.nodeName);
        found.set(uidOf(pod), pod);
      } catch (error) {
        log.warn({ path, error: messageOf(error) }, 'manifest refused');
      }
    }
    for (const uid of this.#pods.keys()) {
      if (found.has(uid)) continue;
      this.#pods.delete(uid);
      onRemove(uid);
    }
    for (const [uid, pod] of found) {
      if (this.#pods.has(uid)) continue;
      this.#pods.set(uid, pod);
      onUpdate(pod);
    }
  }

  /** Makes the missing mirrors, replaces those of older manifests. */
  async syncMirrors(): Promise<void> {
    const { apiPod, client } = this.#options;
    for (const pod of this.#pods.values()) {
      const mirror = apiPod(namespaceOf(pod), nameOf(pod));
      if (mirror && isMirrorOf(mirror, pod) && !mirror.metadata?.deletionTimestamp) continue;
      if (mirror && mirror.metadata?.annotations?.[CONFIG_MIRROR] !== undefined) {
        await this.#delete(mirror);
      } else if (mirror) continue;
      try {
        await client.create(PODS, this.#mirrorOf(pod));
      } catch (error) {
        if (!isAlreadyExists(error)) throw error;
      }
    }
  }

  /** Removes a mirror whose manifest is gone. */
  async dropMirror(mirror: Pod): Promise<void> {
    const hash = mirror.metadata?.annotations?.[CONFIG_MIRROR];
    const kept = this.pods().some((pod) => pod.metadata?.annotations?.[CONFIG_HASH] === hash);
    if (!kept) await this.#delete(mirror);
  }

  async #delete(mirror: Pod): Promise<void> {
    try {
      await this.#options.client.delete(
        PODS,
        { namespace: namespaceOf(mirror), name: nameOf(mirror) },
        { gracePeriodSeconds: 0, preconditions: { uid: uidOf(mirror) } },
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  #mirrorOf(pod: Pod): Pod {
    const node = this.#options.node();
    const { uid: _uid, ...metadata } = pod.metadata ?? {};
    const owner = { apiVersion: 'v1', kind: 'Node', name: this.#options.nodeName, controller: true };
    return {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        ...metadata,
        annotations: {
          ...metadata.annotations,
          [CONFIG_MIRROR]: metadata.annotations?.[CONFIG_HASH] ?? '',
        },
        ...(node?.metadata?.uid ? { ownerReferences: [{ ...owner, uid: node.metadata.uid }] } : {}),
      },
      spec: pod.spec,
    };
  }
}

const isMirrorOf = (mirror: Pod | undefined, pod: Pod): boolean =>
  mirror !== undefined &&
  mirror.metadata?.annotations?.[CONFIG_MIRROR] === pod.metadata?.annotations?.[CONFIG_HASH];

/** A pod of a manifest, named after the node, with a uid that any change of the manifest changes. */
export function staticPod(text: string, path: string, nodeName: string): Pod {
  const parsed = load(text) as Pod | undefined;
  if (parsed?.kind !== 'Pod' || !parsed.metadata?.name || !parsed.spec?.containers?.length) {
    throw new SlipwayError('E_MANIFEST', `${path} is no Pod with a name and containers`);
  }
  const hash = createHash('sha256')
    .update(JSON.stringify(parsed))
    .update(`host:${nodeName}`)
    .update(`file:${path}`)
    .digest('hex')
    .slice(0, 32);
  const pod: Pod = {
    ...parsed,
    apiVersion: 'v1',
    metadata: {
      ...parsed.metadata,
      name: `${parsed.metadata.name}-${nodeName}`.toLowerCase(),
      namespace: parsed.metadata.namespace ?? 'default',
      uid: parsed.metadata.uid ?? hash,
      annotations: { ...parsed.metadata.annotations, [CONFIG_HASH]: hash, [CONFIG_SOURCE]: 'file' },
    },
    spec: { ...specOf(parsed), nodeName },
  };
  return defaultPod(pod);
}
