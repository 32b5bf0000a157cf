import type { ServerResponse } from 'node:http';
import type { ContainerStatus, PodStatus } from '../../api/gen/types/core-v1.ts';
import type { Clock } from '../../base/clock.ts';
import { codeOf } from '../../base/errors.ts';
import { isRuntimeError } from '../cri/runtime-error.ts';
import type { CriRuntime } from '../cri/runtime.ts';
import { nanosecondsOf } from '../logs/cri-log.ts';
import { readLog, type LogOptions } from '../logs/log-reader.ts';
import { HttpError } from './http-error.ts';

/** The options of a log request; throws HttpError 422 for what makes no sense. */
export function logOptionsOf(query: URLSearchParams, nowMs: number): LogOptions & { previous: boolean } {
  const flag = (name: string) => /^(true|1|)$/i.test(query.get(name) ?? 'false');
  const number = (name: string, minimum: number): number | undefined => {
    const text = query.get(name);
    if (text === null || (name === 'tailLines' && text === 'all')) return undefined;
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < minimum) {
      throw new HttpError(422, `${name} must be an integer of at least ${minimum}: current value is ${text}`);
    }
    return value;
  };
  const sinceSeconds = number('sinceSeconds', 1);
  const sinceTime = query.get('sinceTime');
  if (sinceSeconds !== undefined && sinceTime !== null) {
    throw new HttpError(422, 'at most one of `sinceTime` or `sinceSeconds` may be specified');
  }
  if (sinceTime !== null && Number.isNaN(Date.parse(sinceTime))) {
    throw new HttpError(422, `sinceTime must be an RFC 3339 time: current value is ${sinceTime}`);
  }
  const since =
    sinceSeconds !== undefined
      ? BigInt(nowMs - sinceSeconds * 1000) * 1_000_000n
      : sinceTime !== null
        ? nanosecondsOf(sinceTime)
        : undefined;
  const stream = query.get('stream')?.toLowerCase();
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    tailLines: number('tailLines', 0),
    limitBytes: number('limitBytes', 1),
    ...(since === undefined ? {} : { sinceNanoseconds: since }),
    ...(stream === 'stdout' || stream === 'stderr' ? { stream } : {}),
  };
}

/** Whose log to read. Mirrors validateContainerLogStatus of pkg/kubelet/kubelet_pods.go. */
export function logContainerId(
  podName: string,
  status: PodStatus,
  container: string,
  previous: boolean,
): string {
  const found = [
    ...(status.containerStatuses ?? []),
    ...(status.initContainerStatuses ?? []),
    ...(status.ephemeralContainerStatuses ?? []),
  ].find(({ name }) => name === container);
  const where = `container "${container}" in pod "${podName}"`;
  if (!found) throw new HttpError(400, `${where} is not available`);
  const id = idOf(found, previous);
  if (id) return id.replace(/^.*:\/\//, '');
  if (previous) {
    throw new HttpError(400, `previous terminated container "${container}" in pod "${podName}" not found`);
  }
  if (found.state?.terminated ?? found.lastState?.terminated)
    throw new HttpError(400, `${where} is terminated`);
  const reason = found.state?.waiting?.reason;
  const words: Record<string, string> = {
    ErrImagePull: "image can't be pulled",
    ImagePullBackOff: 'trying and failing to pull image',
  };
  if (found.state?.waiting) {
    throw new HttpError(400, `${where} is waiting to start: ${words[reason ?? ''] ?? reason ?? ''}`);
  }
  throw new HttpError(400, `${where} is waiting to start - no logs yet`);
}

function idOf(status: ContainerStatus, previous: boolean): string | undefined {
  const last = status.lastState?.terminated?.containerID;
  if (previous) return last;
  if (status.state?.running) return status.containerID;
  if (status.state?.terminated) return status.state.terminated.containerID ?? last;
  return last;
}

/** Streams a container's log into the response; the client's leaving ends it. */
export async function sendLog(
  response: ServerResponse,
  containerId: string,
  options: LogOptions,
  context: { runtime: CriRuntime; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { runtime, clock, signal } = context;
  const { logPath } = await runtime.containerStatus(containerId);
  const running = async () => {
    try {
      const { state } = await runtime.containerStatus(containerId);
      return state === 'Running' || state === 'Created';
    } catch (error) {
      // A runtime that restarts says nothing of the container.
      return !isRuntimeError(error, 'NotFound');
    }
  };
  response.writeHead(200, { 'content-type': 'text/plain' });
  response.flushHeaders();
  try {
    for await (const text of readLog({ path: logPath, running, clock, signal }, options)) {
      if (!response.write(text)) await drained(response, signal);
    }
  } catch (error) {
    if (!signal.aborted && codeOf(error) !== 'ENOENT') throw error;
  }
  response.end();
}

function drained(response: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      response.off('drain', done);
      signal.removeEventListener('abort', done);
      resolve();
    };
    response.once('drain', done);
    signal.addEventListener('abort', done, { once: true });
  });
}
