import { ApplyError } from '../api/apply/errors.ts';
import { decodeManagers } from '../api/apply/managed-fields.ts';
import type { AdmissionAttributes, AdmissionPlugin } from './admission-plugin.ts';
import type { ObjectStore } from './object-store.ts';

const BROKEN_MANAGERS =
  '.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating ' +
  'admission controller; please fix your requests: ';

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
    const managers = attributes.object?.metadata?.managedFields;
    attributes.reinvocation = { again: false, request, kept };
    await this.#admitOnce(attributes, store);
    if (wanted) {
      attributes.reinvocation = { again: true, request, kept };
      await this.#admitOnce(attributes, store);
    }
    keepManagers(attributes, managers);
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

/**
 * Others may not break who owns what: then it stays as it was. Mirrors
 * apiserver pkg/endpoints/handlers/fieldmanager/admission.go.
 */
function keepManagers({ object, context }: AdmissionAttributes, before: unknown[] | undefined): void {
  const metadata = object?.metadata;
  if (!metadata || metadata.managedFields === before) return;
  try {
    decodeManagers(metadata.managedFields ?? []);
  } catch (error) {
    if (!(error instanceof ApplyError)) throw error;
    if (before) metadata.managedFields = before;
    else delete metadata.managedFields;
    context.warn(`${BROKEN_MANAGERS}${error.message}`);
  }
}
