import type { KubeObject } from '../../api/resource.ts';
import { qualifiedName } from '../resources/validation/formats.ts';

const STANDARD_FINALIZERS: ReadonlySet<string> = new Set(['orphan', 'foregroundDeletion', 'kubernetes']);

/** What is odd about finalizers that a write adds. */
export function finalizerWarnings(object: KubeObject, old?: KubeObject): string[] {
  const before = new Set(old?.metadata?.finalizers);
  const added = (object.metadata?.finalizers ?? []).filter((name) => !before.has(name));
  return added.sort().flatMap((name) => {
    const where = `metadata.finalizers: ${JSON.stringify(name)}:`;
    const problems = qualifiedName(name).map((problem) => `${where} ${problem}`);
    if (name.includes('/') || STANDARD_FINALIZERS.has(name)) return problems;
    const path = name.includes('.') ? ' including a path (/)' : '';
    return [
      ...problems,
      `${where} prefer a domain-qualified finalizer name${path} to avoid accidental conflicts with other finalizer writers`,
    ];
  });
}
