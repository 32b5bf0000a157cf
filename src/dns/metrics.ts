const NAMES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];

/** Counters in Prometheus' text form, under CoreDNS' name where it means the same. */
export class DnsMetrics {
  readonly #responses = new Map<number, number>();

  answered(rcode: number): void {
    this.#responses.set(rcode, (this.#responses.get(rcode) ?? 0) + 1);
  }

  text(): string {
    const lines = [...this.#responses].map(
      ([rcode, count]) => `coredns_dns_responses_total{rcode="${NAMES[rcode] ?? rcode}"} ${count}\n`,
    );
    return `# HELP coredns_dns_responses_total Answers by their code.\n# TYPE coredns_dns_responses_total counter\n${lines.join('')}`;
  }
}
