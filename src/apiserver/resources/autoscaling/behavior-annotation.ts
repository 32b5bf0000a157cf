import type {
  HPAScalingRules,
  HorizontalPodAutoscalerBehavior,
} from '../../../api/gen/types/autoscaling-v2.ts';

type Json = Record<string, unknown>;

/** A member by its name in letters of any size, as Go's decoder of JSON finds it. */
function member(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  const found = Object.entries(value).find(([key]) => key.toLowerCase() === name.toLowerCase());
  return found?.[1] ?? undefined;
}

function take(value: unknown, names: readonly string[]): Json {
  const members = names.map((name) => [name, member(value, name)] as const);
  return Object.fromEntries(members.filter(([, found]) => found !== undefined));
}

function rulesOf(value: unknown): HPAScalingRules | undefined {
  if (value === undefined) return undefined;
  const rules = take(value, ['stabilizationWindowSeconds', 'selectPolicy', 'policies', 'tolerance']);
  const { policies } = rules;
  if (Array.isArray(policies)) {
    rules['policies'] = policies.map((policy) => take(policy, ['type', 'value', 'periodSeconds']));
  }
  return rules;
}

/** The behavior that the annotation of autoscaling/v1 holds; undefined where it holds none. */
export function behaviorOf(value: unknown): HorizontalPodAutoscalerBehavior | undefined {
  const up = rulesOf(member(value, 'scaleUp'));
  const down = rulesOf(member(value, 'scaleDown'));
  if (!up && !down) return undefined;
  return { ...(up ? { scaleUp: up } : {}), ...(down ? { scaleDown: down } : {}) };
}

/** As upstream writes it: its own structures, under their names in Go. */
export function behaviorText({ scaleUp, scaleDown }: HorizontalPodAutoscalerBehavior): string {
  return JSON.stringify({ ScaleUp: rulesText(scaleUp), ScaleDown: rulesText(scaleDown) });
}

function rulesText(rules: HPAScalingRules | undefined): Json | null {
  if (!rules) return null;
  const policies = rules.policies?.map(({ type, value, periodSeconds }) => ({
    Type: type,
    Value: value,
    PeriodSeconds: periodSeconds,
  }));
  return {
    StabilizationWindowSeconds: rules.stabilizationWindowSeconds ?? null,
    SelectPolicy: rules.selectPolicy ?? null,
    Policies: policies ?? null,
    Tolerance: rules.tolerance ?? null,
  };
}
