import type { Container, PodSpec } from '../../../api/gen/types/core-v1.ts';
import type { ObjectMetaLike } from '../../../api/resource.ts';
import { BASELINE_CHECKS } from './baseline.ts';
import type { Check, CheckPod, Subject, Violation } from './check.ts';
import type { LevelVersion } from './levels.ts';
import { RESTRICTED_CHECKS } from './restricted.ts';

const byId = (a: Check, b: Check): number => (a.id < b.id ? -1 : 1);
// The order of names in bytes: capitals before small letters, as upstream sorts them.
const BASELINE = [...BASELINE_CHECKS].sort(byId);
const RESTRICTED = [...RESTRICTED_CHECKS].sort(byId);

const known = new Map<string, CheckPod[]>();

/** What the level forbids about a pod, in upstream's order. Mirrors policy/registry.go of pod-security-admission. */
export function violations(
  level: LevelVersion,
  metadata: ObjectMetaLike | undefined,
  spec: PodSpec,
): Violation[] {
  if (level.level === 'privileged') return [];
  const subject: Subject = { metadata: metadata ?? {}, spec, containers: containersOf(spec) };
  return checksOf(level).flatMap((check) => check(subject) ?? []);
}

/** 'hostPort (container "c" uses hostPort 80), privileged (…)'. */
export function showViolations(found: readonly Violation[]): string {
  return found.map(({ reason, detail }) => (detail === '' ? reason : `${reason} (${detail})`)).join(', ');
}

function containersOf(spec: PodSpec): Container[] {
  return [
    ...(spec.initContainers ?? []),
    ...(spec.containers ?? []),
    ...((spec.ephemeralContainers ?? []) as Container[]),
  ];
}

function checksOf({ level, minor }: LevelVersion): CheckPod[] {
  const key = `${level}/${minor}`;
  let checks = known.get(key);
  if (!checks) {
    const restricted = level === 'restricted' ? RESTRICTED.flatMap((check) => newest(check, minor)) : [];
    const overridden = restricted.map(({ overrides }) => overrides);
    const baseline = BASELINE.filter(({ id }) => !overridden.includes(id)).flatMap((check) =>
      newest(check, minor),
    );
    checks = [...baseline, ...restricted].map(({ check }) => check);
    known.set(key, checks);
  }
  return checks;
}

function newest({ versions }: Check, minor: number): Array<Check['versions'][number]> {
  return versions.filter(({ from }) => from <= minor).slice(-1);
}
