import type {
  ConfigMap,
  KeyToPath,
  Pod,
  Secret,
  ServiceAccountTokenProjection,
  Volume,
  VolumeProjection,
} from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { isNotFound } from '../../client/errors.ts';
import { effectiveSecurityContext } from '../containers/security-context.ts';
import type { ObjectReader } from '../environment/environment.ts';
import { allContainers, namespaceOf, specOf } from '../pods/pod-spec.ts';
import type { Payload } from './atomic-writer.ts';
import { configMapFiles, downwardFiles, secretFiles, type Files } from './payload.ts';
import type { TokenManager } from './token-manager.ts';

const DEFAULT_MODE = 0o644;
const DEFAULT_TOKEN_SECONDS = 3600;

export interface VolumeContext {
  hostIps: string[];
  podIps: string[];
  allocatable: Record<string, string>;
}

/** The files of volumes that are made from API objects. */
export class VolumeContents {
  readonly #reader: ObjectReader;
  readonly #tokens: TokenManager;
  readonly #context: (pod: Pod) => VolumeContext;

  constructor(options: {
    reader: ObjectReader;
    tokens: TokenManager;
    /** What the downward API tells of the node and the pod now. */
    context: (pod: Pod) => VolumeContext;
  }) {
    this.#reader = options.reader;
    this.#tokens = options.tokens;
    this.#context = options.context;
  }

  async payload(pod: Pod, volume: Volume): Promise<Payload> {
    const { configMap, secret, downwardAPI, projected } = volume;
    if (configMap) return this.#configMap(pod, configMap.name ?? '', configMap, configMap.defaultMode);
    if (secret) return this.#secret(pod, secret.secretName ?? '', secret, secret.defaultMode);
    if (downwardAPI) {
      return this.#downward(pod, downwardAPI.items ?? [], downwardAPI.defaultMode ?? DEFAULT_MODE);
    }
    const files: Files = new Map();
    for (const source of projected?.sources ?? []) {
      const part = await this.#projection(pod, source, projected?.defaultMode ?? DEFAULT_MODE);
      for (const [path, file] of part) files.set(path, file);
    }
    return files;
  }

  async #projection(pod: Pod, source: VolumeProjection, mode: number): Promise<Files> {
    if (source.configMap) return this.#configMap(pod, source.configMap.name ?? '', source.configMap, mode);
    if (source.secret) return this.#secret(pod, source.secret.name ?? '', source.secret, mode);
    if (source.downwardAPI) return this.#downward(pod, source.downwardAPI.items ?? [], mode);
    if (source.serviceAccountToken) return this.#token(pod, source.serviceAccountToken, mode);
    throw new SlipwayError(
      'E_VOLUME_KIND',
      `projected source ${Object.keys(source).join()} is not supported here`,
    );
  }

  async #configMap(
    pod: Pod,
    name: string,
    source: { items?: KeyToPath[]; optional?: boolean },
    mode = DEFAULT_MODE,
  ): Promise<Files> {
    const optional = source.optional ?? false;
    const object = await orOptional<ConfigMap>(this.#reader.configMap(namespaceOf(pod), name), optional);
    return object ? configMapFiles(object, { items: source.items, mode, optional }) : new Map();
  }

  async #secret(
    pod: Pod,
    name: string,
    source: { items?: KeyToPath[]; optional?: boolean },
    mode = DEFAULT_MODE,
  ): Promise<Files> {
    const optional = source.optional ?? false;
    const object = await orOptional<Secret>(this.#reader.secret(namespaceOf(pod), name), optional);
    return object ? secretFiles(object, { items: source.items, mode, optional }) : new Map();
  }

  #downward(pod: Pod, items: Parameters<typeof downwardFiles>[0], mode: number): Files {
    return downwardFiles(items, mode, { pod, ...this.#context(pod) });
  }

  async #token(pod: Pod, source: ServiceAccountTokenProjection, mode: number): Promise<Files> {
    const seconds = source.expirationSeconds ?? DEFAULT_TOKEN_SECONDS;
    const token = await this.#tokens.get(pod, source.audience ?? '', seconds);
    const uid = commonUser(pod);
    const guarded = uid !== undefined || specOf(pod).securityContext?.fsGroup !== undefined;
    const file = {
      data: Buffer.from(token),
      mode: guarded ? 0o600 : mode,
      ...(uid === undefined ? {} : { uid }),
    };
    return new Map([[source.path, file]]);
  }
}

/** The user that every container runs as, where they all say the same: the token then belongs to it. */
function commonUser(pod: Pod): number | undefined {
  const users = new Set(
    allContainers(pod).map((container) => effectiveSecurityContext(pod, container).runAsUser),
  );
  return users.size === 1 ? [...users][0] : undefined;
}

async function orOptional<T>(read: Promise<T>, optional: boolean): Promise<T | undefined> {
  try {
    return await read;
  } catch (error) {
    if (optional && isNotFound(error)) return undefined;
    throw error;
  }
}
