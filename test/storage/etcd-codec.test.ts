import test from 'ava';
import { array, assert, boolean, integer, maxSafeInteger, property, record, uint8Array } from 'fast-check';
import { decode, encode, MalformedMessageError, messageType } from '../../src/storage/etcd/codec.ts';
import { TXN_REQUEST, WATCH_RESPONSE, type TxnRequest } from '../../src/storage/etcd/messages.ts';

const SEED = 20_260_702;
const bytes = uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));

test('messages come back as they were written', (t) => {
  const revision = maxSafeInteger().map(Math.abs);
  const id = integer({ min: 0 }).map((n) => (BigInt(n) * 0x1_0000_0001n).toString(16).padStart(16, '0'));
  const keyValue = record({ key: bytes, createRevision: revision, modRevision: revision, value: bytes });
  const response = record({
    header: record({ clusterId: id, memberId: id, revision, raftTerm: revision }),
    watchId: integer({ min: -1 }),
    created: boolean(),
    canceled: boolean(),
    compactRevision: revision,
    cancelReason: bytes.map((buffer) => buffer.toString('latin1')),
    fragment: boolean(),
    events: array(record({ type: integer({ min: 0, max: 1 }), kv: keyValue, prevKv: keyValue }), {
      maxLength: 5,
    }),
  });
  assert(
    property(response, (message) => {
      const again = decode(WATCH_RESPONSE, encodeLike(message));
      t.deepEqual(again, message);
    }),
    { seed: SEED, numRuns: 200 },
  );

  // A watch id of -1 is written by etcd alone: our writer takes no negative numbers, so it is done by hand.
  function encodeLike(message: { watchId: number }): Buffer {
    if (message.watchId >= 0) return encode(WATCH_RESPONSE, message);
    const minusOne = Buffer.of(0x10, ...Array.from({ length: 9 }, () => 0xff), 0x01);
    return Buffer.concat([encode(WATCH_RESPONSE, { ...message, watchId: 0 }), minusOne]);
  }
});

test('a transaction has the bytes that protoc gives it', (t) => {
  const request: TxnRequest = {
    compare: [{ target: 2, key: Buffer.from('k'), modRevision: 300 }],
    success: [{ requestPut: { key: Buffer.from('k'), value: Buffer.alloc(0), prevKv: true } }],
    failure: [{ requestRange: { key: Buffer.from('k') } }],
  };
  // Written out by hand from the wire format: tags 0x0a, 0x12, 0x1a hold compare, success and failure.
  t.is(encode(TXN_REQUEST, request).toString('hex'), '0a0810021a016b30ac02120712050a016b20011a050a030a016b');
});

test('whole numbers up to 2^53 keep their value, identifiers all 64 bits', (t) => {
  const type = messageType<{ number: number; id: string }>('Test', { number: [1, 'int'], id: [2, 'id'] });
  for (const number of [
    0,
    1,
    127,
    128,
    2 ** 31,
    2 ** 32 + 1,
    2 ** 49 - 1,
    2 ** 49,
    Number.MAX_SAFE_INTEGER,
  ]) {
    for (const id of ['0000000000000000', '8e9e05c52164694d', 'ffffffffffffffff']) {
      t.deepEqual(decode(type, encode(type, { number, id })), { number, id });
    }
  }
});

test('fields that this release does not know are skipped', (t) => {
  const newer = messageType<{ a: number; b: string; c: Buffer; d: number }>('Newer', {
    a: [1, 'int'],
    b: [30, 'string'],
    c: [31, 'bytes'],
    d: [2000, 'int'],
  });
  const older = messageType<{ a: number }>('Older', { a: [1, 'int'] });
  const message = { a: 5, b: 'x'.repeat(200), c: Buffer.alloc(9), d: 2 ** 40 };
  t.deepEqual(decode(older, encode(newer, message)), { a: 5 });
});

test('bytes that are no message are refused, never read beyond', (t) => {
  const whole = encode(TXN_REQUEST, {
    compare: [{ target: 2, key: Buffer.from('key'), modRevision: 2 ** 40 }],
    success: [{ requestPut: { key: Buffer.from('key'), value: Buffer.alloc(200, 'v'), prevKv: true } }],
    failure: [],
  });
  for (let end = 1; end < whole.length; end++) {
    const part = whole.subarray(0, end);
    try {
      // A cut between two fields leaves a shorter message; any other is an error.
      t.true(encode(TXN_REQUEST, decode(TXN_REQUEST, part)).equals(part), `cut at ${end}`);
    } catch (error) {
      t.true(error instanceof MalformedMessageError, `cut at ${end}`);
    }
  }
  assert(
    property(bytes, (random) => {
      try {
        decode(WATCH_RESPONSE, random);
      } catch (error) {
        if (!(error instanceof MalformedMessageError)) throw error;
      }
    }),
    { seed: SEED, numRuns: 3000 },
  );
});
