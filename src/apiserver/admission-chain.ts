import type { AdmissionAttributes, AdmissionPlugin } from './admission-plugin.ts';
import type { ObjectStore } from './object-store.ts';

/** Runs the plugins in their order; the first one that throws refuses the operation. */
export class AdmissionChain {
  readonly #plugins: readonly AdmissionPlugin[];

  constructor(plugins: readonly AdmissionPlugin[]) {
    this.#plugins = plugins;
  }

  get names(): string[] {
    return this.#plugins.map((plugin) => plugin.name);
  }

  async admit(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    let wanted = false;
    const request = () => {
      wanted = true;
    };
    const kept = new Map<string, unknown>();
    attributes.reinvocation = { again: false, request, kept };
    await this.#admitOnce(attributes, store);
    if (!wanted) return;
    attributes.reinvocation = { again: true, request, kept };
    await this.#admitOnce(attributes, store);
  }

  async #admitOnce(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.admit && plugin.handles(attributes)) await plugin.admit(attributes, store);
    }
  }

  async validate(attributes: AdmissionAttributes, store: ObjectStore): Promise<void> {
    for (const plugin of this.#plugins) {
      if (plugin.validate && plugin.handles(attributes)) await plugin.validate(attributes, store);
    }
  }
}
