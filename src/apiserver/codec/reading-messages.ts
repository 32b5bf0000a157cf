import type { StatusBody } from '../status-errors.ts';
import type { ReadingJob, ReadingJobs } from './reading-job.ts';

export interface ReadingRequest {
  job: ReadingJob;
  ask: ReadingJobs[ReadingJob]['ask'];
}

/** Errors do not survive the way between threads as what they are: a Status, an error of ours with its code, a bug. */
export type ReadingFailure = { status: StatusBody } | { status?: undefined; code?: string; message: string };

export type ReadingReply =
  | { answer: ReadingJobs[ReadingJob]['answer']; failure?: undefined }
  | { failure: ReadingFailure };
