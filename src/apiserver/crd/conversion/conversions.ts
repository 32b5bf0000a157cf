import { deepClone } from '../../../api/objects.ts';
import type { KubeObject, ResourceInfo } from '../../../api/resource.ts';
import { apiVersionOf } from '../../../api/resource.ts';
import type { StructuralKind } from '../structural-kind.ts';
import type { Converter } from './webhook-converter.ts';

/** What others convert is pruned and completed as if a client had sent it. */
export function conversions(
  converter: Converter,
  kinds: ReadonlyMap<string, StructuralKind>,
  kind: StructuralKind,
  info: ResourceInfo,
  storageVersion: string,
) {
  const apiVersion = apiVersionOf(info);
  const storedVersion = apiVersionOf({ group: info.group, version: storageVersion });
  return {
    convertStored: async (objects: readonly KubeObject[]): Promise<KubeObject[]> => {
      const result = objects.map((object) => {
        const copy = deepClone(object);
        const writtenAs = copy.apiVersion?.slice(copy.apiVersion.indexOf('/') + 1) ?? '';
        kinds.get(writtenAs)?.defaultStored(copy);
        return copy;
      });
      const others = result.filter((object) => object.apiVersion !== apiVersion);
      const converted = await converter.convert(others, apiVersion);
      let next = 0;
      return result.map((object) => {
        const shown = object.apiVersion === apiVersion ? object : converted[next++]!;
        return kind.decode(shown).object;
      });
    },
    convertToStored: async (object: KubeObject): Promise<KubeObject> => {
      if (apiVersion === storedVersion) return object;
      const [stored = object] = await converter.convert([object], storedVersion);
      const storedKind = kinds.get(storageVersion);
      return storedKind ? storedKind.decode(stored).object : stored;
    },
  };
}
