/**
 * Splits a byte stream into lines. Works on bytes, so that a character that is cut by a chunk's end is
 * whole again in its line; pieces of a long line are joined once, however many chunks it takes.
 */
export class LineSplitter {
  #pieces: Buffer[] = [];

  /** The lines that `chunk` completes, without their ends; empty lines are left out. */
  push(chunk: Buffer): string[] {
    const lines: string[] = [];
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      this.#add(lines, chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.#pieces.push(chunk.subarray(start));
    return lines;
  }

  /** What is left after the last line's end. */
  rest(): string {
    return Buffer.concat(this.#pieces.splice(0)).toString('utf8');
  }

  #add(lines: string[], last: Buffer): void {
    const pieces = this.#pieces.splice(0);
    const line = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    if (line.length > 0) lines.push(line.toString('utf8'));
  }
}
