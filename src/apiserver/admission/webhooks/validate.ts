import type { Logger } from '../../../base/log.ts';
import type { AdmissionAttributes } from '../../admission-plugin.ts';
import { versionedObjects } from '../match-resources.ts';
import type { ReviewedRequest } from './admission-review.ts';
import { askHook, conditionsHold, failClosed, HookFailure, matchHook } from './ask-hook.ts';
import type { HookEnvironment } from './ask-hook.ts';
import type { Hook } from './hook.ts';

/**
 * Asks all validating webhooks that the request is for at once; the first refusal to come counts. Mirrors
 * apiserver pkg/admission/plugin/webhook/validating/dispatcher.go.
 */
export async function validate(
  hooks: readonly Hook[],
  attributes: AdmissionAttributes,
  environment: HookEnvironment,
  log: Logger,
): Promise<void> {
  const relevant: Array<{ hook: Hook; request: ReviewedRequest }> = [];
  for (const hook of hooks) {
    const matched = await matchHook(hook, attributes, environment);
    if (!matched) continue;
    const request = {
      attributes,
      matched,
      ...(await versionedObjects(attributes, matched, environment.table)),
    };
    if (await conditionsHold(hook, request)) relevant.push({ hook, request });
  }
  if (relevant.length === 0) return;
  const errors: unknown[] = [];
  const calls = relevant.map(async ({ hook, request }, index) => {
    try {
      await askHook(hook, request, false, environment);
    } catch (error) {
      const { webhook } = hook;
      if (!(error instanceof HookFailure)) errors.push(error);
      else if (webhook.failurePolicy !== 'Ignore') errors.push(failClosed(error));
      else {
        log.warn({ webhook: webhook.name, error: error.message }, 'a failing webhook was passed over');
        const key = `failed-open.validating.webhook.admission.k8s.io/round_0_index_${index}`;
        attributes.context.annotate(key, webhook.name);
      }
    }
  });
  await Promise.all(calls);
  if (errors.length > 0) throw errors[0];
}
