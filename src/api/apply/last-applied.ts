import { stringifyJson } from '../json/encode.ts';
import { isObject } from '../objects.ts';
import type { JsonObject } from '../objects.ts';
import type { KubeObject } from '../resource.ts';

/** Where kubectl's client-side apply keeps what it applied last. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
const MAX_ANNOTATIONS_BYTES = 256 * 1024;

/** Keeps kubectl's annotation up to date where it is there: client-side apply may follow again. */
export function syncLastApplied(object: KubeObject, config: KubeObject): void {
  if (!object.metadata?.annotations?.[LAST_APPLIED]) return;
  const { [LAST_APPLIED]: _own, ...kept } = config.metadata?.annotations ?? {};
  const metadata: JsonObject = { ...config.metadata };
  delete metadata.annotations;
  if (Object.keys(kept).length > 0) metadata.annotations = kept;
  const text = `${stringifyJson(sortedKeys({ ...config, metadata }))}\n`;
  const annotations = { ...object.metadata.annotations, [LAST_APPLIED]: text };
  let size = 0;
  for (const [name, value] of Object.entries(annotations)) {
    size += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (size > MAX_ANNOTATIONS_BYTES) {
    const { [LAST_APPLIED]: _large, ...rest } = annotations;
    object.metadata.annotations = rest;
  } else object.metadata.annotations = annotations;
}

/** Go writes maps sorted. */
function sortedKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedKeys);
  if (!isObject(value)) return value;
  const keys = Object.keys(value).sort((a, b) => (a < b ? -1 : 1));
  return Object.fromEntries(keys.map((key) => [key, sortedKeys(value[key])]));
}
