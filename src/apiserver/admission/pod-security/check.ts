import type { Container, PodSpec } from '../../../api/gen/types/core-v1.ts';
import type { ObjectMetaLike } from '../../../api/resource.ts';

/** What a check has against a pod; undefined where it has nothing. */
export interface Violation {
  reason: string;
  detail: string;
}

export interface Subject {
  metadata: Pick<ObjectMetaLike, 'annotations'>;
  spec: PodSpec;
  /** All of them: init containers, containers, ephemeral ones. */
  containers: readonly Container[];
}

export type CheckPod = (subject: Subject) => Violation | undefined;

export interface Check {
  id: string;
  level: 'baseline' | 'restricted';
  /** From which minor on, oldest first. */
  versions: ReadonlyArray<{ from: number; check: CheckPod; overrides?: string }>;
}

export const quoted = (items: Iterable<string>): string => `"${[...items].join('", "')}"`;

export const plural = (count: number, word: string, words = `${word}s`): string =>
  count === 1 ? word : words;

/** 'container "a"', 'containers "a", "b"'. */
export const containersNamed = (containers: readonly Container[]): string =>
  `${plural(containers.length, 'container')} ${quoted(containers.map(({ name }) => name))}`;

/** 'pod and containers "a", "b"'; '' where neither is to blame. */
export function setters(pod: boolean, containers: readonly Container[]): string {
  const parts = [...(pod ? ['pod'] : []), ...(containers.length > 0 ? [containersNamed(containers)] : [])];
  return parts.join(' and ');
}

export const sorted = (values: Iterable<string>): string[] => [...new Set(values)].sort();

/** Root of such a pod is nobody outside of it. */
const hasUserNamespace = ({ spec }: Subject): boolean => spec.hostUsers === false;

export const unlessUserNamespace =
  (check: CheckPod): CheckPod =>
  (subject) =>
    hasUserNamespace(subject) ? undefined : check(subject);

export const unlessWindows =
  (check: CheckPod): CheckPod =>
  (subject) =>
    subject.spec.os?.name === 'windows' ? undefined : check(subject);
