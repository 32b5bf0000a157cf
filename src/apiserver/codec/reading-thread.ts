import { parentPort } from 'node:worker_threads';
import { SlipwayError } from '../../base/errors.ts';
import { StatusError } from '../status-errors.ts';
import { read } from './reading-job.ts';
import type { ReadingJob, ReadingJobs } from './reading-job.ts';
import type { ReadingFailure, ReadingReply, ReadingRequest } from './reading-messages.ts';

/** The thread that reads large bodies: answers each request in order, one reply each. */
function failureOf(error: unknown): ReadingFailure {
  if (error instanceof StatusError) return { status: error.status };
  if (error instanceof SlipwayError) return { code: error.code, message: error.message };
  return { message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function answer<J extends ReadingJob>(job: J, ask: ReadingJobs[J]['ask']): ReadingReply {
  try {
    return { answer: read(job, ask) };
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

const port = parentPort;
port?.on('message', ({ job, ask }: ReadingRequest) => port.postMessage(answer(job, ask)));
