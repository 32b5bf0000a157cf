import {
  MUTATINGWEBHOOKCONFIGURATIONS,
  VALIDATINGWEBHOOKCONFIGURATIONS,
} from '../../../api/gen/resources.ts';
import type { Logger } from '../../../base/log.ts';
import type { AdmissionPlugin } from '../../admission-plugin.ts';
import type { ObjectFeed } from '../../authz/object-feed.ts';
import { isExempt } from '../match-resources.ts';
import type { HookEnvironment } from './ask-hook.ts';
import { HookList } from './hook.ts';
import type { CompileConditions } from './hook.ts';
import { mutate } from './mutate.ts';
import { validate } from './validate.ts';

export interface AdmissionWebhooksOptions extends HookEnvironment {
  readonly feed: ObjectFeed;
  /** How match conditions are made ready. */
  readonly compile: CompileConditions;
  readonly log: Logger;
}

/** The two plugins that ask others' webhooks. A configuration counts from the moment at which it is stored. */
export class AdmissionWebhooks {
  readonly #options: AdmissionWebhooksOptions;
  readonly #mutating: HookList;
  readonly #validating: HookList;
  readonly #ends: Array<() => void>;

  constructor(options: AdmissionWebhooksOptions) {
    const { feed, compile } = options;
    this.#options = options;
    this.#mutating = new HookList(compile);
    this.#validating = new HookList(compile);
    this.#ends = [
      feed.follow(MUTATINGWEBHOOKCONFIGURATIONS, {
        set: (configuration) => this.#mutating.set(configuration),
        deleted: (configuration) => this.#mutating.deleted(configuration),
      }),
      feed.follow(VALIDATINGWEBHOOKCONFIGURATIONS, {
        set: (configuration) => this.#validating.set(configuration),
        deleted: (configuration) => this.#validating.deleted(configuration),
      }),
    ];
  }

  readonly mutatingPlugin: AdmissionPlugin = {
    name: 'MutatingAdmissionWebhook',
    handles: (attributes) => this.#mutating.all.length > 0 && !isExempt(attributes),
    admit: (attributes) => mutate(this.#mutating.all, attributes, this.#options, this.#options.log),
  };

  readonly validatingPlugin: AdmissionPlugin = {
    name: 'ValidatingAdmissionWebhook',
    handles: (attributes) => this.#validating.all.length > 0 && !isExempt(attributes),
    validate: (attributes) => validate(this.#validating.all, attributes, this.#options, this.#options.log),
  };

  stop(): void {
    for (const end of this.#ends) end();
  }
}
