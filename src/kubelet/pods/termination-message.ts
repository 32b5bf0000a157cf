import { open } from 'node:fs/promises';
import { codeOf, messageOf } from '../../base/errors.ts';

/** Upstream's MaxContainerTerminationMessageLength: longer files are read from their end. */
const MAX_MESSAGE_BYTES = 4096;

/**
 * The message a container left: its termination log, else, where asked, the end of its output.
 * Mirrors getTerminationMessage of pkg/kubelet/kuberuntime/kuberuntime_container.go.
 */
export async function terminationMessage(
  path: string | undefined,
  fallbackToLogs: boolean,
  readLog: () => Promise<string>,
): Promise<string> {
  const fallback = async () => {
    if (!fallbackToLogs) return '';
    try {
      return await readLog();
    } catch (error) {
      return `Error on reading termination message from logs: ${messageOf(error)}`;
    }
  };
  if (!path) return fallback();
  try {
    const text = await readEnd(path, MAX_MESSAGE_BYTES);
    return text === '' ? await fallback() : text;
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return fallback();
    return `Error on reading termination log ${path}: ${messageOf(error)}`;
  }
}

async function readEnd(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead).toString('utf8');
  } finally {
    await file.close();
  }
}
