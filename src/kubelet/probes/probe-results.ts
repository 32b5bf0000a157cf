import type { ProbeVerdict } from '../pods/action-types.ts';

/** The last verdicts of one kind of probe, by container id; tells of changes. */
export class ProbeResults {
  readonly #results = new Map<string, ProbeVerdict>();
  readonly #onChange: (containerId: string) => void;

  constructor(onChange: (containerId: string) => void) {
    this.#onChange = onChange;
  }

  get(containerId: string): ProbeVerdict {
    return this.#results.get(containerId);
  }

  set(containerId: string, verdict: NonNullable<ProbeVerdict>): void {
    if (this.#results.get(containerId) === verdict) return;
    this.#results.set(containerId, verdict);
    this.#onChange(containerId);
  }

  remove(containerId: string): void {
    this.#results.delete(containerId);
  }
}
