import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import type { PodEvents } from '../events.ts';
import type { FileSystemFacts } from '../node/machine.ts';

export interface ImageGcOptions {
  runtime: CriRuntime;
  clock: Clock;
  log: Logger;
  events: PodEvents;
  /** Of the file system that holds the images. */
  disk: () => Promise<FileSystemFacts>;
  /** Never removed: the sandbox image. */
  keep: (name: string) => boolean;
}

/** Upstream's defaults: above 85% in use images are removed until 80% are. */
const HIGH = 0.85;
const LOW = 0.8;
const MIN_AGE_MS = 120_000;

/** Removes images that no container uses, the longest unused first, when the disk fills. Mirrors pkg/kubelet/images/image_gc_manager.go. */
export class ImageGc {
  readonly #options: ImageGcOptions;
  readonly #seen = new Map<string, { detectedMs: number; usedMs: number }>();

  constructor(options: ImageGcOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { clock, disk, events, keep, log, runtime } = this.#options;
    const now = clock.monotonicMs();
    const [images, containers] = await Promise.all([runtime.listImages(), runtime.listContainers()]);
    const used = new Set(containers.map(({ imageRef }) => imageRef));
    for (const { id } of images) {
      const record = this.#seen.get(id) ?? { detectedMs: now, usedMs: 0 };
      if (used.has(id)) record.usedMs = now;
      this.#seen.set(id, record);
    }
    for (const id of this.#seen.keys()) if (!images.some((image) => image.id === id)) this.#seen.delete(id);
    const facts = await disk();
    let toFree = bytesToFree(facts);
    if (toFree <= 0) return;
    const wanted = toFree;
    const candidates = images
      .filter(({ id, pinned, repoDigests, repoTags }) => {
        const young = now - (this.#seen.get(id)?.detectedMs ?? now) < MIN_AGE_MS;
        return !pinned && !used.has(id) && !young && ![...repoTags, ...repoDigests].some(keep);
      })
      .sort((a, b) => (this.#seen.get(a.id)?.usedMs ?? 0) - (this.#seen.get(b.id)?.usedMs ?? 0));
    for (const { id, repoTags, sizeBytes } of candidates) {
      if (toFree <= 0) return;
      try {
        await runtime.removeImage(id);
        toFree -= sizeBytes;
        log.info({ image: repoTags[0] ?? id, sizeBytes }, 'unused image removed');
      } catch (error) {
        log.warn({ image: id, error: messageOf(error) }, 'image not removed');
      }
    }
    if (toFree > 0) {
      const message = `Failed to garbage collect required amount of images. Attempted to free ${wanted} bytes, but only found ${wanted - toFree} bytes eligible to free.`;
      events.nodeEvent('Warning', 'FreeDiskSpaceFailed', message);
    }
  }
}

export function bytesToFree({ availableBytes, capacityBytes }: FileSystemFacts): number {
  const used = capacityBytes - availableBytes;
  return capacityBytes > 0 && used / capacityBytes >= HIGH ? Math.ceil(used - capacityBytes * LOW) : 0;
}
