/**
 * The datagrams of a measurement. A question carries the token, its number and padding; the answer is never longer
 * than the question, so that a listener is of no use to anybody who forges addresses.
 */
const TOKEN_BYTES = 16;
export const QUESTION_BYTES = TOKEN_BYTES + 4;
export const ANSWER_BYTES = TOKEN_BYTES + 4 + 8;

/** `bytes` is the length of the whole payload, at least ANSWER_BYTES. */
export function question(token: string, number: number, bytes: number): Buffer {
  const packet = Buffer.alloc(bytes);
  packet.write(token, 0, 'hex');
  packet.writeUInt32BE(number, TOKEN_BYTES);
  return packet;
}

/** The answer to a question; undefined where it is none of ours. */
export function answerTo(packet: Buffer, token: string, nowMs: number): Buffer | undefined {
  if (packet.length < ANSWER_BYTES || packet.toString('hex', 0, TOKEN_BYTES) !== token) return undefined;
  const answer = Buffer.alloc(ANSWER_BYTES);
  packet.copy(answer, 0, 0, QUESTION_BYTES);
  answer.writeDoubleBE(nowMs, QUESTION_BYTES);
  return answer;
}

export function readAnswer(packet: Buffer, token: string): { number: number; nowMs: number } | undefined {
  if (packet.length !== ANSWER_BYTES || packet.toString('hex', 0, TOKEN_BYTES) !== token) return undefined;
  return { number: packet.readUInt32BE(TOKEN_BYTES), nowMs: packet.readDoubleBE(QUESTION_BYTES) };
}
