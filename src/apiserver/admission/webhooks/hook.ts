import type {
  MatchCondition,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ValidatingWebhookConfiguration,
} from '../../../api/gen/types/admissionregistration-v1.ts';
import type { CompiledMatchConditions } from '../policies/match-conditions.ts';
import type { WebhookTarget } from '../../webhook-client/webhook-client.ts';

/** One webhook of a configuration, ready to be asked. Validating ones have no reinvocationPolicy. */
export interface Hook {
  readonly configuration: string;
  /** Tells webhooks of the same configuration and name apart. */
  readonly id: string;
  readonly webhook: Partial<MutatingWebhook> & { name: string };
  readonly target: WebhookTarget;
  readonly conditions: CompiledMatchConditions | undefined;
}

export type CompileConditions = (conditions: readonly MatchCondition[]) => CompiledMatchConditions;

/** The webhooks of all configurations of one kind, in the order in which they are asked. */
export class HookList {
  readonly #compile: CompileConditions;
  readonly #byConfiguration = new Map<string, Hook[]>();
  #all: readonly Hook[] = [];

  constructor(compile: CompileConditions) {
    this.#compile = compile;
  }

  /** By name of the configuration, then as they stand in it. */
  get all(): readonly Hook[] {
    return this.#all;
  }

  set(configuration: MutatingWebhookConfiguration | ValidatingWebhookConfiguration): void {
    const name = configuration.metadata?.name ?? '';
    const counts = new Map<string, number>();
    const hooks = (configuration.webhooks ?? []).map((webhook): Hook => {
      const count = counts.get(webhook.name) ?? 0;
      counts.set(webhook.name, count + 1);
      const { matchConditions = [] } = webhook;
      return {
        configuration: name,
        id: `${name}/${webhook.name}/${count}`,
        webhook,
        target: targetOf(webhook),
        conditions: matchConditions.length === 0 ? undefined : this.#compile(matchConditions),
      };
    });
    this.#byConfiguration.set(name, hooks);
    this.#sort();
  }

  deleted(configuration: { metadata?: { name?: string } }): void {
    this.#byConfiguration.delete(configuration.metadata?.name ?? '');
    this.#sort();
  }

  #sort(): void {
    this.#all = [...this.#byConfiguration].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, hooks]) => hooks);
  }
}

/** How a client configuration of the API is called. */
export function targetOf({ clientConfig }: Pick<MutatingWebhook, 'clientConfig'>): WebhookTarget {
  const { url, service, caBundle } = clientConfig ?? {};
  return {
    ...(url === undefined ? {} : { url }),
    ...(service
      ? {
          service: {
            name: service.name ?? '',
            namespace: service.namespace ?? '',
            ...(service.path === undefined ? {} : { path: service.path }),
            ...(service.port === undefined ? {} : { port: service.port }),
          },
        }
      : {}),
    ...(caBundle ? { caPem: Buffer.from(caBundle, 'base64').toString('utf8') } : {}),
  };
}
