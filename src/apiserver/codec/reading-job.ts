import { decodeJson } from '../../api/json/decode.ts';
import { parseExact } from '../../api/json/exact-parser.ts';
import { loadYaml } from '../../api/json/yaml.ts';
import type { ResourceInfo } from '../../api/resource.ts';
import { decodeBuiltIn } from './decode-built-in.ts';
import type { Typed } from './decode-built-in.ts';

/** What there is to read of a body, and what comes of it. */
export interface ReadingJobs {
  /** An object of a built-in kind, checked against its schema. */
  object: { ask: { type: string; bytes: Uint8Array; expected: ResourceInfo }; answer: Typed };
  /** JSON without a schema. */
  json: { ask: { bytes: Uint8Array }; answer: ReturnType<typeof decodeJson> };
  yaml: { ask: { bytes: Uint8Array }; answer: ReturnType<typeof loadYaml> };
  /** JSON of any kind, with the keys that its objects repeat. */
  patch: { ask: { bytes: Uint8Array }; answer: ReturnType<typeof parseExact> };
}

export type ReadingJob = keyof ReadingJobs;

/** Does a job where it is called: the one place that knows how, for the server's loop and for the thread beside it. */
export function read<J extends ReadingJob>(job: J, ask: ReadingJobs[J]['ask']): ReadingJobs[J]['answer'] {
  const bytes = Buffer.from(ask.bytes.buffer, ask.bytes.byteOffset, ask.bytes.byteLength);
  switch (job) {
    case 'object': {
      const { type, expected } = ask as ReadingJobs['object']['ask'];
      return decodeBuiltIn(type, bytes, expected);
    }
    case 'json':
      return decodeJson(bytes, undefined);
    case 'yaml':
      return loadYaml(bytes.toString());
    default:
      return parseExact(bytes.toString());
  }
}
