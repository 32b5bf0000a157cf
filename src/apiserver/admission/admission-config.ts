import type { LimitedResource } from '../../api/quota/limited-resources.ts';
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
  limitedResources: readonly LimitedResource[];
}

export const DEFAULT_ADMISSION: AdmissionConfig = {
  enabled: [],
  disabled: [],
  podSecurity: OPEN_POD_SECURITY,
  eventLimits: [],
  limitedResources: [],
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
): Promise<Pick<AdmissionConfig, 'podSecurity' | 'eventLimits' | 'limitedResources'>> {
  const { kind, plugins = [] } = record(document) as { kind?: unknown; plugins?: unknown };
  if (kind !== 'AdmissionConfiguration' || !Array.isArray(plugins)) {
    throw wrong('the file is no AdmissionConfiguration', 'see apiserver.config.k8s.io/v1');
  }
  let { podSecurity, eventLimits, limitedResources } = DEFAULT_ADMISSION;
  for (const plugin of plugins) {
    const { name, path, configuration } = record(plugin);
    const given = typeof path === 'string' && path !== '' ? await read(path) : configuration;
    if (given === undefined || given === null) continue;
    if (name === 'PodSecurity') podSecurity = podSecurityOf(record(given));
    if (name === 'EventRateLimit') eventLimits = eventLimitsOf(record(given));
    if (name === 'ResourceQuota') limitedResources = limitedResourcesOf(record(given));
  }
  return { podSecurity, eventLimits, limitedResources };
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

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist'] as const;

function limitedResourcesOf(given: Record<string, unknown>): LimitedResource[] {
  const { limitedResources = [] } = given;
  if (!Array.isArray(limitedResources)) {
    throw wrong('limitedResources of ResourceQuota is no list', 'write a list of resources');
  }
  return limitedResources.map((entry) => {
    const { apiGroup = '', resource, matchContains = [], matchScopes = [] } = record(entry);
    const texts = (value: unknown): value is string[] =>
      Array.isArray(value) && value.every((one) => typeof one === 'string');
    if (typeof apiGroup !== 'string' || typeof resource !== 'string' || !texts(matchContains)) {
      throw wrong(
        'a limited resource of ResourceQuota is none',
        'write apiGroup, resource and matchContains',
      );
    }
    if (!Array.isArray(matchScopes))
      throw wrong('matchScopes of ResourceQuota is no list', 'write a list of scopes');
    const scopes = matchScopes.map((scope) => {
      const { scopeName, operator, values = [] } = record(scope);
      const known = OPERATORS.find((one) => one === operator);
      if (typeof scopeName !== 'string' || !known || !texts(values)) {
        throw wrong('a scope of ResourceQuota is none', `operator is one of ${OPERATORS.join(', ')}`);
      }
      return { scopeName, operator: known, values };
    });
    return { apiGroup, resource, matchContains, matchScopes: scopes };
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
