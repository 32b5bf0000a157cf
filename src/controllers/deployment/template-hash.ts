import type { PodTemplateSpec } from '../../api/gen/types/core-v1.ts';
import { canonicalJson } from '../shared/meta.ts';

export const HASH_LABEL = 'pod-template-hash';

/** Letters that make no words; upstream's rand.SafeEncodeString. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/**
 * A short name for a template, stable for equal ones. `collisionCount` gives another name when two templates
 * share one. (The value differs from upstream's, which hashes a dump of Go structures; only equality counts.)
 */
export function templateHash(
  template: PodTemplateSpec | undefined,
  collisionCount: number | undefined,
): string {
  let hash = 0x811c9dc5;
  const text = canonicalJson(template) + (collisionCount === undefined ? '' : String(collisionCount));
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return Array.from(String(hash), (digit) => SAFE[digit.charCodeAt(0) % SAFE.length] ?? '').join('');
}

/** Equal but for the label that we put on it ourselves. */
export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return canonicalJson(withoutHash(a)) === canonicalJson(withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (template?.metadata?.labels?.[HASH_LABEL] === undefined) return withoutNulls(template);
  const { [HASH_LABEL]: _, ...labels } = template.metadata.labels;
  return withoutNulls({ ...template, metadata: { ...template.metadata, labels } });
}

/** A template without labels and one with no labels are the same; so are null and absent times. */
function withoutNulls(template: PodTemplateSpec | undefined): PodTemplateSpec | undefined {
  if (!template?.metadata) return template;
  const entries = Object.entries(template.metadata).filter(([, value]) => !isEmpty(value));
  return { ...template, metadata: Object.fromEntries(entries) };
}

function isEmpty(value: unknown): boolean {
  return (
    value === null || value === undefined || (typeof value === 'object' && Object.keys(value).length === 0)
  );
}
