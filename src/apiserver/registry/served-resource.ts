import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import { apiVersionOf } from '../../api/resource.ts';
import { schemaForKind } from '../../api/schema.ts';
import type { MessageSchema } from '../../api/schema.ts';
import { zeroFields } from '../../api/zero.ts';
import type { GroupResource } from '../status-errors.ts';
import type { ResourceDefinition, Subresource, Verb } from '../resource-definition.ts';
import type { CacheEntry, ParsedObjects } from '../watch-cache/cache-entry.ts';
import type { ResourceCache } from '../watch-cache/resource-cache.ts';
import { storedPrefix, toStoredText } from '../watch-cache/stored-form.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import type { ObjectCodec } from '../codec/object-codec.ts';

const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** One resource in one version as clients see it, over the objects as they are stored. */
export class ServedResource {
  readonly definition: ResourceDefinition;
  readonly info: ResourceInfo;
  readonly groupResource: GroupResource;
  readonly apiVersion: string;
  readonly verbs: readonly Verb[];
  readonly codec: ObjectCodec;
  readonly #storedInfo: ResourceInfo;
  readonly #watchCache: WatchCache;
  readonly #parsed: ParsedObjects;
  readonly #schema: MessageSchema | undefined;
  #cache: ResourceCache | undefined;
  #storedPrefix: Buffer | undefined;
  /** What others have converted, as JSON. */
  readonly #converted = new WeakMap<CacheEntry, Buffer>();

  constructor(
    definition: ResourceDefinition,
    codec: ObjectCodec,
    watchCache: WatchCache,
    parsed: ParsedObjects,
  ) {
    this.definition = definition;
    this.info = definition.info;
    this.groupResource = { group: definition.info.group, resource: definition.info.resource };
    this.apiVersion = apiVersionOf(definition.info);
    this.verbs = definition.verbs ?? (definition.virtual ? ['create'] : ALL_VERBS);
    this.codec = codec;
    this.#schema = schemaForKind(definition.info.group, definition.info.version, definition.info.kind);
    this.#storedInfo = definition.storedAs?.info ?? definition.info;
    this.#watchCache = watchCache;
    this.#parsed = parsed;
    if (!definition.virtual) this.#cache = watchCache.resource(this.#storedInfo);
  }

  /** The objects; throws for a kind that is never stored. */
  get cache(): ResourceCache {
    this.#cache ??= this.#watchCache.resource(this.#storedInfo);
    return this.#cache;
  }

  /** All built-in kinds have a protobuf form, custom ones have none. */
  get hasProtobuf(): boolean {
    return this.#schema !== undefined;
  }

  /** Whether the stored bytes are what this version serves. */
  get servesStoredForm(): boolean {
    return this.definition.storedAs === undefined;
  }

  get listKind(): string {
    return this.definition.listKind ?? `${this.info.kind}List`;
  }

  subresource(name: string): Subresource<KubeObject> | undefined {
    return this.definition.subresources?.find((sub) => sub.name === name);
  }

  storageKey(namespace: string, name: string): string {
    return this.cache.prefix + this.key(namespace, name);
  }

  key(namespace: string, name: string): string {
    return this.info.namespaced ? `${namespace}/${name}` : name;
  }

  /** The object of an entry in this version, shared: it must not be changed. */
  object(entry: CacheEntry): KubeObject {
    if (this.isStoredForm(entry)) return this.#parsed.of(entry);
    if (this.isConvertedByOthers) return this.codec.parse(this.#convertedBytes(entry));
    return this.definition.storedAs!.fromStored(this.#parsed.of(entry));
  }

  /**
   * Whether `object`, `copy` and `json` can give the entry without `prepare`: false where others have to
   * convert it and have not done so.
   */
  isReady(entry: CacheEntry): boolean {
    return !this.isConvertedByOthers || this.isStoredForm(entry) || this.#converted.has(entry);
  }

  /** Has others convert what is not converted yet, in as few calls as can be. Rejects with a Status. */
  async prepare(entries: Iterable<CacheEntry>): Promise<void> {
    const convert = this.definition.storedAs?.convertStored;
    if (!convert) return;
    const waiting = [...entries].filter((entry) => !this.isReady(entry));
    if (waiting.length === 0) return;
    const objects = await convert(waiting.map((entry) => this.#parsed.of(entry)));
    for (const [index, object] of objects.entries()) {
      this.#converted.set(waiting[index]!, Buffer.from(this.codec.stringify(object)));
    }
  }

  /** The same object under another revision needs no second conversion. */
  carryOver(from: CacheEntry, to: CacheEntry): void {
    const bytes = this.#converted.get(from);
    if (!bytes || this.isReady(to)) return;
    const object = this.codec.parse(bytes);
    (object.metadata ??= {}).resourceVersion = String(to.revision);
    this.#converted.set(to, Buffer.from(this.codec.stringify(object)));
  }

  /** Whether entries of other versions have to be prepared. */
  get isConvertedByOthers(): boolean {
    return this.definition.storedAs?.convertStored !== undefined;
  }

  #convertedBytes(entry: CacheEntry): Buffer {
    const bytes = this.#converted.get(entry);
    if (!bytes) throw new Error(`an entry of ${this.apiVersion} was read before it was converted`);
    return bytes;
  }

  /** Whether the bytes of this entry are what this version serves. */
  isStoredForm(entry: CacheEntry): boolean {
    const { storedAs } = this.definition;
    if (storedAs === undefined) return true;
    if (entry.revision <= (storedAs.sameSince ?? Infinity)) return false;
    this.#storedPrefix ??= storedPrefix(this.#storedInfo);
    const { length } = this.#storedPrefix;
    return entry.bytes.compare(this.#storedPrefix, 0, length, 0, length) === 0;
  }

  /** The caller's own copy. */
  copy(entry: CacheEntry): KubeObject {
    if (!this.isStoredForm(entry) && this.isConvertedByOthers) return this.object(entry);
    const stored = this.#parsed.copyOf(entry);
    return this.isStoredForm(entry) ? stored : this.definition.storedAs!.fromStored(stored);
  }

  /** JSON in this version, with its resourceVersion. */
  json(entry: CacheEntry): Buffer {
    if (this.isStoredForm(entry)) return entry.bytes;
    if (this.isConvertedByOthers) return this.#convertedBytes(entry);
    return Buffer.from(this.codec.stringify(this.object(entry)));
  }

  /** Puts back the members that Go always writes (`status: {}`), as strategies drop them. */
  fillZeros(object: KubeObject): void {
    if (!this.#schema) return;
    const members = object as Record<string, unknown>;
    for (const { name, make } of zeroFields(this.#schema)) members[name] ??= make();
  }

  /** The bytes to store for an object of this version, in a buffer of exactly their size. */
  async toStored(object: KubeObject): Promise<Buffer> {
    const { storedAs } = this.definition;
    const stored = storedAs?.convertToStored
      ? await storedAs.convertToStored(object)
      : (storedAs?.toStored(object) ?? object);
    const text = toStoredText(this.#storedInfo, stored, this.codec.stringify);
    const out = Buffer.allocUnsafeSlow(Buffer.byteLength(text));
    out.write(text);
    return out;
  }
}
