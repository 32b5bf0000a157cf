import { SlipwayError } from '../../../base/errors.ts';
import { invalid } from '../../field-error.ts';
import type { FieldError } from '../../field-error.ts';

const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof LEVELS)[number];

export interface LevelVersion {
  readonly level: Level;
  /** The minor of 1.x; Infinity is the latest. */
  readonly minor: number;
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

const LATEST = Number.POSITIVE_INFINITY;
const OPEN: LevelVersion = { level: 'privileged', minor: LATEST };
/** What applies where nothing is configured. */
export const OPEN_POLICY: Policy = { enforce: OPEN, audit: OPEN, warn: OPEN };

const MODES = ['enforce', 'audit', 'warn'] as const;
const LABEL = 'pod-security.kubernetes.io/';

export const isOpen = ({ enforce, audit, warn }: Policy): boolean =>
  [enforce, audit, warn].every(({ level }) => level === 'privileged');

export const stricter = (a: Level, b: Level): boolean => LEVELS.indexOf(a) > LEVELS.indexOf(b);

/** 'baseline:latest', 'restricted:v1.30'. */
export function showLevel({ level, minor }: LevelVersion): string {
  return `${level}:${minor === LATEST ? 'latest' : `v1.${minor}`}`;
}

export const sameLevel = (a: LevelVersion, b: LevelVersion): boolean =>
  a.level === b.level && a.minor === b.minor;

function parseLevel(text: string): Level | undefined {
  return LEVELS.find((level) => level === text);
}

function parseVersion(text: string): number | undefined {
  if (text === 'latest') return LATEST;
  const minor = /^v1\.(0|[1-9][0-9]*)$/.exec(text)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

/**
 * What a namespace's labels ask for, over the defaults. What cannot be understood enforces the strictest, and neither
 * audits nor warns. Mirrors PolicyToEvaluate of pod-security-admission api/helpers.go.
 */
export function policyOf(
  labels: Readonly<Record<string, string>> | undefined,
  defaults: Policy,
): { policy: Policy; errors: FieldError[] } {
  const policy = { ...defaults };
  const errors: FieldError[] = [];
  if (!labels) return { policy, errors };
  let enforced = false;
  for (const mode of MODES) {
    const level = labels[`${LABEL}${mode}`];
    if (level !== undefined) {
      const parsed = parseLevel(level);
      if (mode === 'enforce') enforced = parsed !== undefined;
      if (!parsed) errors.push(invalid(path(mode), level, `must be one of ${LEVELS.join(', ')}`));
      policy[mode] = { ...policy[mode], level: parsed ?? (mode === 'enforce' ? 'restricted' : 'privileged') };
    }
    const version = labels[`${LABEL}${mode}-version`];
    if (version !== undefined) {
      const parsed = parseVersion(version);
      if (parsed === undefined) {
        errors.push(invalid(path(`${mode}-version`), version, 'must be "latest" or "v1.x"'));
      }
      policy[mode] = { ...policy[mode], minor: parsed ?? LATEST };
    }
  }
  const silent = labels[`${LABEL}warn`] === undefined;
  if (silent && enforced && stricter(policy.enforce.level, policy.warn.level)) {
    const own = labels[`${LABEL}warn-version`] !== undefined;
    policy.warn = { level: policy.enforce.level, minor: own ? policy.warn.minor : policy.enforce.minor };
  }
  return { policy, errors };
}

const path = (mode: string): string => `metadata.labels[${LABEL}${mode}]`;

/** For a namespace that is exempt and carries labels all the same: what they ask for in vain. */
export function ignoredModes(policy: Policy, labels: Readonly<Record<string, string>>): string {
  return MODES.filter(
    (mode) =>
      policy[mode].level !== 'privileged' &&
      (labels[`${LABEL}${mode}`] !== undefined || labels[`${LABEL}${mode}-version`] !== undefined),
  )
    .map((mode) => `${mode}=${showLevel(policy[mode])}`)
    .join(', ');
}

/** The `defaults` of a PodSecurityConfiguration. Throws E_ADMISSION_CONFIG. */
export function configuredDefaults(given: Readonly<Record<string, string>>): Policy {
  const policy = { ...OPEN_POLICY };
  for (const mode of MODES) {
    const level = parseLevel(given[mode] ?? 'privileged');
    const minor = parseVersion(given[`${mode}-version`] ?? 'latest');
    if (!level || minor === undefined) {
      throw new SlipwayError(
        'E_ADMISSION_CONFIG',
        `defaults.${mode} of PodSecurity is no level and version`,
        {
          hint: `use one of ${LEVELS.join(', ')} and, as ${mode}-version, "latest" or "v1.x"`,
        },
      );
    }
    policy[mode] = { level, minor };
  }
  return policy;
}
