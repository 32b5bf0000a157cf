/** A field of a protobuf message: bytes, or a whole number. */
export type WireValue = Buffer | number;

/** Writes a message of length-delimited fields and numbers, in the order that they are given. */
export function encodeWire(fields: ReadonlyArray<readonly [number, WireValue]>): Buffer {
  const parts: Buffer[] = [];
  for (const [number, value] of fields) {
    if (typeof value === 'number') parts.push(varint(number << 3), varint(value));
    else parts.push(varint((number << 3) | 2), varint(value.length), value);
  }
  return Buffer.concat(parts);
}

/** Reads a message; throws where it is cut off or has a wire type that these messages do not have. */
export function decodeWire(message: Buffer): Array<[number, WireValue]> {
  const fields: Array<[number, WireValue]> = [];
  let at = 0;
  const next = (): number => {
    let result = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = message[at++];
      if (byte === undefined) throw new Error('the message is cut off');
      result += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result;
    }
    throw new Error('a number of the message is too large');
  };
  while (at < message.length) {
    const tag = next();
    const wireType = tag & 7;
    if (wireType !== 0 && wireType !== 2) throw new Error(`the message has wire type ${wireType}`);
    const value = next();
    if (wireType === 0) fields.push([tag >>> 3, value]);
    else {
      if (at + value > message.length) throw new Error('the message is cut off');
      fields.push([tag >>> 3, message.subarray(at, at + value)]);
      at += value;
    }
  }
  return fields;
}

/** A map from text to bytes is a repeated message of key and value. */
export function encodeMap(number: number, map: ReadonlyMap<string, Buffer>): Array<[number, Buffer]> {
  return [...map].map(([key, value]) => [
    number,
    encodeWire([
      [1, Buffer.from(key)],
      [2, value],
    ]),
  ]);
}

export function decodeMapEntry(entry: Buffer): [string, Buffer] {
  let key = '';
  let value: Buffer = Buffer.alloc(0);
  for (const [number, field] of decodeWire(entry)) {
    if (typeof field === 'number') continue;
    if (number === 1) key = field.toString('utf8');
    else if (number === 2) value = field;
  }
  return [key, value];
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
