import type { PodTemplateSpec } from '../../../api/gen/types/core-v1.ts';
import type { KubeObject } from '../../../api/resource.ts';
import { dnsLabel } from '../validation/formats.ts';
import { podWarnings } from './pod-spec/warnings.ts';

/** Names of pods begin with that of what makes them, and are host names. */
export function podNameWarnings({ metadata }: KubeObject): string[] {
  const problems = dnsLabel(metadata?.name);
  if (problems.length === 0) return [];
  const why = 'this is used in Pod names and hostnames, which can result in surprising behavior';
  return [`metadata.name: ${why}; a DNS label is recommended: [${problems.join(' ')}]`];
}

export function hasNewGeneration(object: KubeObject, old: KubeObject): boolean {
  return object.metadata?.generation !== old.metadata?.generation;
}

interface WithTemplate extends KubeObject {
  spec?: { template?: PodTemplateSpec };
}

/** Of what runs pods after a template: of the template, once it changed. */
export const templateWarnings = {
  warningsOnCreate: (object: WithTemplate): string[] => podWarnings('spec.template', object.spec?.template),
  warningsOnUpdate: (object: WithTemplate, old: WithTemplate): string[] =>
    hasNewGeneration(object, old) ? podWarnings('spec.template', object.spec?.template) : [],
};

/** As templateWarnings, where pods are named after the object. */
export const workloadWarnings = {
  ...templateWarnings,
  warningsOnCreate: (object: WithTemplate): string[] => [
    ...podNameWarnings(object),
    ...templateWarnings.warningsOnCreate(object),
  ],
};
