import type { AdmissionPlugin } from '../../admission-plugin.ts';
import { mutatingPolicies } from './mutating-plugin.ts';
import { validatingPolicies } from './validating-plugin.ts';
import type { PolicyPluginOptions } from './validating-plugin.ts';

/** The two plugins that do what the cluster's admission policies say. */
export class AdmissionPolicies {
  readonly mutatingPlugin: AdmissionPlugin;
  readonly validatingPlugin: AdmissionPlugin;
  readonly #ends: ReadonlyArray<() => void>;

  constructor(options: PolicyPluginOptions) {
    const mutating = mutatingPolicies(options);
    const validating = validatingPolicies(options);
    this.mutatingPlugin = mutating.plugin;
    this.validatingPlugin = validating.plugin;
    this.#ends = [mutating.stop, validating.stop];
  }

  stop(): void {
    for (const end of this.#ends) end();
  }
}
