import { CORE_RULES } from './core-rules.ts';
import { DEFINITION_RULES } from './definition-rules.ts';
import type { Rules } from './generate.ts';
import { GROUP_RULES } from './group-rules.ts';
import { POD_RULES } from './pod-rules.ts';

/** What makes a maximal object of each kind valid. */
export const RULES: Rules = { ...CORE_RULES, ...POD_RULES, ...GROUP_RULES, ...DEFINITION_RULES };
