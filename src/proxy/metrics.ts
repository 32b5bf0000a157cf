/** The proxy's own counters in Prometheus' text form; names are upstream's where they mean the same. */
export class ProxyMetrics {
  #syncs = 0;
  #failures = 0;
  #lastSeconds = 0;
  #lastTimestampSeconds = 0;

  written(durationMs: number, nowMs: number): void {
    this.#syncs++;
    this.#lastSeconds = durationMs / 1000;
    this.#lastTimestampSeconds = nowMs / 1000;
  }

  failed(): void {
    this.#failures++;
  }

  text(): string {
    const lines: Array<[name: string, type: string, help: string, value: number]> = [
      ['slipway_proxy_syncs_total', 'counter', 'Transactions written to nftables.', this.#syncs],
      [
        'kubeproxy_sync_proxy_rules_nftables_sync_failures_total',
        'counter',
        'Transactions refused.',
        this.#failures,
      ],
      ['slipway_proxy_last_sync_duration_seconds', 'gauge', 'Duration of the last one.', this.#lastSeconds],
      [
        'kubeproxy_sync_proxy_rules_last_timestamp_seconds',
        'gauge',
        'When the last one was written.',
        this.#lastTimestampSeconds,
      ],
    ];
    return lines
      .map(
        ([name, type, help, value]) => `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`,
      )
      .join('');
  }
}
