import { Environment } from '../../cel/environment.ts';
import { KUBERNETES_FUNCTIONS } from '../../cel/kubernetes/functions.ts';
import { CIDR_TYPE, IP_TYPE } from '../../cel/kubernetes/network.ts';
import { STANDARD_FUNCTIONS, STANDARD_TYPES } from '../../cel/standard.ts';
import { AUTHORIZER_FUNCTIONS } from './authorizer.ts';
import { FORMAT_FUNCTIONS } from './formats.ts';

/** What every expression of the API may use. Mirrors apiserver pkg/cel/environment/base.go for 1.36. */
export const BASE_ENVIRONMENT: Environment = new Environment({
  functions: [...STANDARD_FUNCTIONS, ...KUBERNETES_FUNCTIONS, ...AUTHORIZER_FUNCTIONS, ...FORMAT_FUNCTIONS],
  typeNames: new Map([...STANDARD_TYPES, ['net.IP', IP_TYPE], ['net.CIDR', CIDR_TYPE]]),
  macros: { optionals: true, twoVariables: true, lists: true },
  checkLiterals: true,
});

/** Limits of evaluation, in steps of about 50 ns. Mirrors apiserver pkg/apis/cel/config.go. */
export const PER_CALL_LIMIT = 1_000_000;
/** All expressions of one policy's binding, or all rules of one custom object. */
export const EXPRESSIONS_BUDGET = 10_000_000;
/** The match conditions of one webhook or policy. */
export const MATCH_CONDITIONS_BUDGET = 2_500_000;
/** The longest message that a messageExpression may make. */
export const MAX_MESSAGE_BYTES = 5 * 1024;

/** What expressions that run out of it are told. */
export const OUT_OF_BUDGET =
  'validation failed due to running out of cost budget, no further validation rules will be run';
