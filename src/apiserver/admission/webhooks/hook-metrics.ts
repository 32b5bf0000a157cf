import { Counter, Histogram } from 'prom-client';
import type { Registry } from 'prom-client';

/** How one webhook was asked once. */
export interface HookCall {
  name: string;
  type: 'admit' | 'validating';
  operation: string;
  /** 200, the code of a denial, or of what failed. */
  code: number;
  /** Why the request was refused; undefined where it was not. */
  refusedBy: 'calling_webhook_error' | 'no_error' | 'apiserver_internal_error' | undefined;
  /** It failed, and was passed over. */
  failedOpen: boolean;
  seconds: number;
}

/** Calls of admission webhooks, under upstream's names (apiserver pkg/admission/metrics/metrics.go). */
export class HookMetrics {
  readonly #durations: Histogram<'name' | 'type' | 'operation' | 'rejected'>;
  readonly #requests: Counter<'name' | 'type' | 'operation' | 'code' | 'rejected'>;
  readonly #rejections: Counter<'name' | 'type' | 'operation' | 'error_type' | 'rejection_code'>;
  readonly #failOpen: Counter<'name' | 'type'>;

  constructor(registry: Registry) {
    const registers = [registry];
    this.#durations = new Histogram({
      name: 'apiserver_admission_webhook_admission_duration_seconds',
      help: 'Time that webhooks take, in seconds.',
      labelNames: ['name', 'type', 'operation', 'rejected'],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
      registers,
    });
    this.#requests = new Counter({
      name: 'apiserver_admission_webhook_request_total',
      help: 'Calls of webhooks by code.',
      labelNames: ['name', 'type', 'operation', 'code', 'rejected'],
      registers,
    });
    this.#rejections = new Counter({
      name: 'apiserver_admission_webhook_rejection_count',
      help: 'Requests that webhooks, or their failures, refused.',
      labelNames: ['name', 'type', 'operation', 'error_type', 'rejection_code'],
      registers,
    });
    this.#failOpen = new Counter({
      name: 'apiserver_admission_webhook_fail_open_count',
      help: 'Failures of webhooks that were passed over.',
      labelNames: ['name', 'type'],
      registers,
    });
  }

  observe({ name, type, operation, code, refusedBy, failedOpen, seconds }: HookCall): void {
    const rejected = String(refusedBy !== undefined);
    this.#durations.observe({ name, type, operation, rejected }, seconds);
    this.#requests.inc({ name, type, operation, rejected, code: String(Math.min(code, 600)) });
    if (refusedBy !== undefined) {
      const rejection = { error_type: refusedBy, rejection_code: String(Math.min(code, 600)) };
      this.#rejections.inc({ name, type, operation, ...rejection });
    }
    if (failedOpen) this.#failOpen.inc({ name, type });
  }
}
