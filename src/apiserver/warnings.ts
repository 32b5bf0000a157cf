import type { ApiResponse } from './request-context.ts';

/** Upstream's bound on what all warnings together may take of the headers. */
const MAX_BYTES = 4096;

/** Collects warnings for `Warning: 299 - "text"` headers; repeats are dropped, and so is what does not fit. */
export class Warnings {
  readonly #response: ApiResponse;
  readonly #headers: string[] = [];
  readonly #seen = new Set<string>();
  #bytes = 0;

  constructor(response: ApiResponse) {
    this.#response = response;
  }

  add(text: string): void {
    if (this.#response.started || this.#seen.has(text)) return;
    this.#seen.add(text);
    const quoted = text.replaceAll(/\s+/g, ' ').replaceAll(/["\\]/g, '\\$&');
    // What is beyond printable ASCII would make the whole answer fail.
    const header = `299 - "${quoted.replaceAll(/[^\x20-\x7e]/g, '?')}"`;
    this.#bytes += header.length;
    if (this.#bytes > MAX_BYTES) return;
    this.#headers.push(header);
    this.#response.setHeader('warning', this.#headers);
  }
}
