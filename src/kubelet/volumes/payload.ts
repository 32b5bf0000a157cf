import type {
  ConfigMap,
  DownwardAPIVolumeFile,
  KeyToPath,
  Pod,
  Secret,
} from '../../api/gen/types/core-v1.ts';
import { SlipwayError } from '../../base/errors.ts';
import { fieldValue, type FieldContext } from '../environment/field-path.ts';
import { resourceFieldValue } from '../environment/resource-field.ts';
import type { FileProjection } from './atomic-writer.ts';

export type Files = Map<string, FileProjection>;

interface KeySource {
  items?: KeyToPath[];
  mode: number;
  optional: boolean;
}

/** A config map's keys as files: all of them, or the listed ones under their paths. */
export function configMapFiles(configMap: ConfigMap, source: KeySource): Files {
  const data = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(configMap.data ?? {})) data.set(key, Buffer.from(text, 'utf8'));
  for (const [key, base64] of Object.entries(configMap.binaryData ?? {}))
    data.set(key, Buffer.from(base64, 'base64'));
  return chosen(data, source, 'configmap references non-existent config key');
}

export function secretFiles(secret: Secret, source: KeySource): Files {
  const data = new Map<string, Buffer>();
  for (const [key, base64] of Object.entries(secret.data ?? {})) data.set(key, Buffer.from(base64, 'base64'));
  return chosen(data, source, 'references non-existent secret key');
}

function chosen(data: Map<string, Buffer>, source: KeySource, complaint: string): Files {
  const files: Files = new Map();
  if (!source.items || source.items.length === 0) {
    for (const [key, content] of data) files.set(key, { data: content, mode: source.mode });
    return files;
  }
  for (const { key, path, mode } of source.items) {
    const content = data.get(key);
    if (content) files.set(path, { data: content, mode: mode ?? source.mode });
    else if (!source.optional) throw new SlipwayError('E_VOLUME_KEY', `${complaint}: ${key}`);
  }
  return files;
}

export interface DownwardContext extends FieldContext {
  pod: Pod;
  allocatable: Record<string, string>;
}

export function downwardFiles(
  items: readonly DownwardAPIVolumeFile[],
  defaultMode: number,
  context: DownwardContext,
): Files {
  const files: Files = new Map();
  for (const { path, fieldRef, resourceFieldRef, mode } of items) {
    const text = fieldRef
      ? fieldValue(fieldRef.fieldPath, context)
      : resourceFieldRef
        ? resourceFieldValue(resourceFieldRef, context.pod, undefined, context.allocatable)
        : '';
    files.set(path, { data: Buffer.from(text, 'utf8'), mode: mode ?? defaultMode });
  }
  return files;
}
