import type { KubeObject, ResourceInfo } from '../../api/resource.ts';
import type { ResourceDefinition } from '../resource-definition.ts';
import { OBJECT_CODEC } from '../codec/object-codec.ts';
import type { ParsedObjects } from '../watch-cache/cache-entry.ts';
import type { WatchCache } from '../watch-cache/watch-cache.ts';
import { ServedResource } from './served-resource.ts';

/**
 * All resources that are served, by group, version and resource. It may change while the server runs (custom
 * resources come and go); `generation` tells discovery and OpenAPI when to make themselves anew.
 */
export class ResourceTable {
  readonly #byPath = new Map<string, ServedResource>();
  readonly #cache: WatchCache;
  readonly #parsed: ParsedObjects;
  #generation = 1;

  constructor(cache: WatchCache, parsed: ParsedObjects) {
    this.#cache = cache;
    this.#parsed = parsed;
  }

  get generation(): number {
    return this.#generation;
  }

  add(definition: ResourceDefinition): ServedResource {
    const served = new ServedResource(definition, OBJECT_CODEC, this.#cache, this.#parsed);
    this.#byPath.set(pathOf(definition.info), served);
    this.#generation += 1;
    return served;
  }

  remove(info: { group: string; version: string; resource: string }): void {
    this.#byPath.delete(pathOf(info));
    this.#generation += 1;
  }

  find(group: string, version: string, resource: string): ServedResource | undefined {
    return this.#byPath.get(pathOf({ group, version, resource }));
  }

  get<T extends KubeObject>(info: ResourceInfo<T>): ServedResource {
    const served = this.#byPath.get(pathOf(info));
    if (!served) throw new Error(`no resource ${pathOf(info)} is served`);
    return served;
  }

  /** Whether a kind of ours, no custom one, is of this group and version. */
  hasBuiltIn(group: string, version: string): boolean {
    return this.all().some(
      ({ info, definition }) => !definition.custom && info.group === group && info.version === version,
    );
  }

  all(): ServedResource[] {
    return [...this.#byPath.values()];
  }

  /** Other versions and groups under which the same stored objects are served. */
  equivalents(info: ResourceInfo): ResourceInfo[] {
    const own = this.find(info.group, info.version, info.resource);
    if (!own) return [];
    const stored = storedPathOf(own);
    return this.all()
      .filter((other) => other !== own && storedPathOf(other) === stored)
      .map((other) => other.info);
  }
}

function storedPathOf({ definition }: ServedResource): string {
  return pathOf(definition.storedAs?.info ?? definition.info);
}

function pathOf(info: { group: string; version: string; resource: string }): string {
  return `${info.group}/${info.version}/${info.resource}`;
}
