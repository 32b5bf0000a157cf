import { checkTyped } from '../../../api/apply/check-typed.ts';
import { mergeTyped } from '../../../api/apply/merge.ts';
import { formOf, memberType } from '../../../api/apply/merge-type.ts';
import type { MergeType } from '../../../api/apply/merge-type.ts';
import { isObject } from '../../../api/objects.ts';
import type { KubeObject } from '../../../api/resource.ts';

/** Why a configuration cannot be applied. */
export class ApplyProblem extends Error {}

/**
 * Merges what a policy made into an object, as server-side apply would, without owners: neither is changed.
 * Throws ApplyProblem. Mirrors apiserver pkg/admission/plugin/policy/mutating/patch/smd.go.
 */
export function applyConfiguration(object: KubeObject, configuration: unknown, type: MergeType): KubeObject {
  const { apiVersion, kind } = object;
  const patch = { ...(isObject(configuration) ? configuration : {}), apiVersion, kind };
  const wrong = checkTyped(patch, type, { allowDuplicates: false });
  if (wrong !== undefined) throw new ApplyProblem(`failed to convert patch object to typed object: ${wrong}`);
  const atomics = atomicParts(patch, type, '');
  if (atomics.length > 0) {
    const what = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`;
    throw new ApplyProblem(`invalid ApplyConfiguration: ${what}`);
  }
  return mergeTyped(object, patch, type) as KubeObject;
}

/** Lists and maps that could only be replaced as a whole: a policy would remove what it does not know of. */
function atomicParts(value: unknown, type: MergeType, path: string): string[] {
  const form = formOf(type, value);
  if (form === 'map' && isObject(value) && type.map) {
    const { map } = type;
    const own = map.atomic ? [path] : [];
    const inner = Object.entries(value).flatMap(([name, each]) => {
      const member = map.fields.has(name) ? memberType(map, name) : undefined;
      return member ? atomicParts(each, member, `${path}.${name}`) : [];
    });
    return [...own, ...inner];
  }
  if (form !== 'list' || !Array.isArray(value) || !type.list) return [];
  const { list } = type;
  const own = list.atomic ? [path] : [];
  return [...own, ...value.flatMap((each, index) => atomicParts(each, list.items, `${path}[${index}]`))];
}
