import type { Container, Pod, Secret } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { AuthConfig, CriRuntime, Image, PodSandboxConfig } from '../cri/runtime.ts';
import type { PodEvents } from '../events.ts';
import { CrashBackoff } from '../pods/crash-backoff.ts';
import { uidOf } from '../pods/pod-spec.ts';
import { StartError } from '../containers/start-error.ts';
import { credentialsFor } from './credentials.ts';
import { parseImageName, withDefaultTag } from './image-name.ts';

/** Brings a container's image to the node by its pull policy. Mirrors pkg/kubelet/images/image_manager.go. */
export class ImagePuller {
  readonly #runtime: CriRuntime;
  readonly #events: PodEvents;
  readonly #clock: Clock;
  readonly #backoff: CrashBackoff;
  readonly #lastError = new Map<string, string>();
  /** One pull of an image with the same credentials serves all pods that wait for it. */
  readonly #pulling = new Map<string, Promise<string>>();

  constructor(options: { runtime: CriRuntime; events: PodEvents; clock: Clock }) {
    this.#runtime = options.runtime;
    this.#events = options.events;
    this.#clock = options.clock;
    this.#backoff = new CrashBackoff(options.clock);
  }

  /**
   * Resolves to the image. Rejects with StartError: InvalidImageName, ImageInspectError, ErrImageNeverPull,
   * ErrImagePull, ImagePullBackOff.
   */
  async ensure(
    pod: Pod,
    container: Container,
    secrets: readonly Secret[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<Image> {
    const requested = container.image ?? '';
    const name = parseImageName(requested);
    if (!name) {
      const message = `Failed to apply default image tag "${requested}": couldn't parse image name "${requested}": invalid reference format`;
      this.#events.event(pod, 'Warning', 'InspectFailed', message, container.name);
      throw new StartError('InvalidImageName', message);
    }
    const image = withDefaultTag(requested, name);
    const policy = container.imagePullPolicy ?? (name.tag === 'latest' ? 'Always' : 'IfNotPresent');
    if (policy !== 'Always') {
      const present = await this.#inspect(pod, container, image);
      if (present) {
        const message = `Container image "${requested}" already present on machine`;
        this.#events.event(pod, 'Normal', 'Pulled', message, container.name);
        return present;
      }
      if (policy === 'Never') {
        const message = `Container image "${requested}" is not present with pull policy of Never`;
        this.#events.event(pod, 'Warning', 'ErrImageNeverPull', message, container.name);
        throw new StartError('ErrImageNeverPull', message);
      }
    }
    await this.#pull(pod, container, image, credentialsFor(name, secrets), sandbox, signal);
    const pulled = await this.#inspect(pod, container, image);
    if (!pulled) throw new StartError('ErrImagePull', `image "${image}" is gone right after its pull`);
    return pulled;
  }

  forget(uid: string): void {
    this.#backoff.forget(uid);
    for (const key of this.#lastError.keys()) if (key.startsWith(uid)) this.#lastError.delete(key);
  }

  async #inspect(pod: Pod, container: Container, image: string): Promise<Image | undefined> {
    try {
      return await this.#runtime.imageStatus(image);
    } catch (error) {
      const message = `Failed to inspect image "${image}": ${messageOf(error)}`;
      this.#events.event(pod, 'Warning', 'InspectFailed', message, container.name);
      throw new StartError('ImageInspectError', message, { cause: error });
    }
  }

  async #pull(
    pod: Pod,
    container: Container,
    image: string,
    auths: AuthConfig[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<void> {
    const requested = container.image ?? image;
    const key = `${uidOf(pod)}_${requested}`;
    const waitMs = this.#backoff.remainingSinceUpdateMs(key);
    if (waitMs > 0) {
      const message = `Back-off pulling image "${requested}"`;
      this.#events.event(pod, 'Normal', 'BackOff', message, container.name);
      const last = this.#lastError.get(key);
      throw new StartError('ImagePullBackOff', last === undefined ? message : `${message}: ${last}`, {
        retryMs: waitMs,
      });
    }
    this.#lastError.delete(key);
    this.#events.event(pod, 'Normal', 'Pulling', `Pulling image "${requested}"`, container.name);
    const startMs = this.#clock.monotonicMs();
    try {
      await this.#pullWithAny(image, auths, sandbox, signal);
    } catch (error) {
      signal.throwIfAborted();
      const message = messageOf(error);
      this.#backoff.next(key, this.#clock.now());
      this.#lastError.set(key, `ErrImagePull: ${message}`);
      this.#events.event(
        pod,
        'Warning',
        'Failed',
        `Failed to pull image "${requested}": ${message}`,
        container.name,
      );
      throw new StartError('ErrImagePull', message, { cause: error });
    }
    const tookMs = Math.round(this.#clock.monotonicMs() - startMs);
    const size = (await this.#runtime.imageStatus(image))?.sizeBytes ?? 0;
    const took = tookMs < 1000 ? `${tookMs}ms` : `${tookMs / 1000}s`;
    const message = `Successfully pulled image "${requested}" in ${took} (${took} including waiting). Image size: ${size} bytes.`;
    this.#events.event(pod, 'Normal', 'Pulled', message, container.name);
  }

  async #pullWithAny(
    image: string,
    auths: AuthConfig[],
    sandbox: PodSandboxConfig,
    signal: AbortSignal,
  ): Promise<string> {
    let failure: unknown;
    for (const auth of auths.length > 0 ? auths : [undefined]) {
      const key = `${image} ${JSON.stringify(auth) ?? ''}`;
      const pull = this.#pulling.get(key) ?? this.#runtime.pullImage(image, auth, sandbox);
      this.#pulling.set(key, pull);
      try {
        return await unlessAborted(pull, signal);
      } catch (error) {
        failure = error;
      } finally {
        void pull.then(
          () => this.#pulling.delete(key),
          () => this.#pulling.delete(key),
        );
      }
      signal.throwIfAborted();
    }
    throw failure;
  }
}

/** The caller stops waiting; the pull goes on for whoever else wants it. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
