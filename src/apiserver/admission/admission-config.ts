import { SlipwayError } from '../../base/errors.ts';
import type { EventLimit } from './event-rate-limit.ts';
import { configuredDefaults } from './pod-security/levels.ts';
import { OPEN_POD_SECURITY } from './pod-security/pod-security.ts';
import type { PodSecurityOptions } from './pod-security/pod-security.ts';

/** What `--enable-admission-plugins` and its neighbours say. */
export interface AdmissionConfig {
  enabled: readonly string[];
  disabled: readonly string[];
  podSecurity: PodSecurityOptions;
  eventLimits: readonly EventLimit[];
}

export const DEFAULT_ADMISSION: AdmissionConfig = {
  enabled: [],
  disabled: [],
  podSecurity: OPEN_POD_SECURITY,
  eventLimits: [],
};

const LIMIT_TYPES = ['Server', 'Namespace', 'User', 'SourceAndObject'] as const;

function wrong(message: string, hint: string): SlipwayError {
  return new SlipwayError('E_ADMISSION_CONFIG', message, { hint });
}

/**
 * Takes the `configuration` of a plugin out of the parsed AdmissionConfiguration file; a `path` is read by `read`,
 * relative to that file. Throws E_ADMISSION_CONFIG.
 */
export async function parseAdmissionConfig(
  document: unknown,
  read: (path: string) => Promise<unknown>,
): Promise<Pick<AdmissionConfig, 'podSecurity' | 'eventLimits'>> {
  const { kind, plugins = [] } = record(document) as { kind?: unknown; plugins?: unknown };
  if (kind !== 'AdmissionConfiguration' || !Array.isArray(plugins)) {
    throw wrong('the file is no AdmissionConfiguration', 'see apiserver.config.k8s.io/v1');
  }
  let { podSecurity, eventLimits } = DEFAULT_ADMISSION;
  for (const plugin of plugins) {
    const { name, path, configuration } = record(plugin);
    const given = typeof path === 'string' && path !== '' ? await read(path) : configuration;
    if (given === undefined || given === null) continue;
    if (name === 'PodSecurity') podSecurity = podSecurityOf(record(given));
    if (name === 'EventRateLimit') eventLimits = eventLimitsOf(record(given));
  }
  return { podSecurity, eventLimits };
}

function podSecurityOf(given: Record<string, unknown>): PodSecurityOptions {
  const exemptions = record(given['exemptions'] ?? {});
  const names = (field: string): string[] => {
    const list = exemptions[field] ?? [];
    if (Array.isArray(list) && list.every((name) => typeof name === 'string')) return list;
    throw wrong(`exemptions.${field} of PodSecurity is no list of names`, 'write a list of strings');
  };
  return {
    defaults: configuredDefaults(record(given['defaults'] ?? {}) as Record<string, string>),
    exemptions: {
      usernames: names('usernames'),
      namespaces: names('namespaces'),
      runtimeClasses: names('runtimeClasses'),
    },
  };
}

function eventLimitsOf(given: Record<string, unknown>): EventLimit[] {
  const { limits } = given;
  if (!Array.isArray(limits) || limits.length === 0) {
    throw wrong('EventRateLimit has no limits', 'write at least one of `limits`');
  }
  return limits.map((limit) => {
    const { type, qps, burst, cacheSize } = record(limit);
    const known = LIMIT_TYPES.find((one) => one === type);
    const positive = (value: unknown): value is number => Number.isInteger(value) && Number(value) > 0;
    if (!known || !positive(qps) || !positive(burst) || (cacheSize !== undefined && !positive(cacheSize))) {
      throw wrong(
        'a limit of EventRateLimit is none',
        `type is one of ${LIMIT_TYPES.join(', ')}, qps, burst and cacheSize are positive whole numbers`,
      );
    }
    return { type: known, qps, burst, cacheSize: cacheSize ?? 4096 };
  });
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw wrong(
    'the configuration of admission has something else where it should have fields',
    'check its YAML',
  );
}
