import { CORE_RULES } from './core-rules.ts';
import { DEFINITION_RULES } from './definition-rules.ts';
import type { Rules } from './generate.ts';
import { GROUP_RULES } from './group-rules.ts';
import { POD_RULES } from './pod-rules.ts';
import { POD_STATUS_RULES } from './pod-status-rules.ts';
import { VOLUME_RULES } from './volume-rules.ts';
import { WORKLOAD_RULES } from './workload-rules.ts';

/** What makes a maximal object of each kind valid. */
export const RULES: Rules = {
  ...CORE_RULES,
  ...POD_RULES,
  ...POD_STATUS_RULES,
  ...VOLUME_RULES,
  ...WORKLOAD_RULES,
  ...GROUP_RULES,
  ...DEFINITION_RULES,
};
