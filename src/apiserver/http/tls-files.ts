import { readFile } from 'node:fs/promises';
import type { Clock, Timer } from '../../base/clock.ts';
import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';

/** What the server proves itself with, in PEM. */
export interface TlsMaterial {
  cert: string;
  key: string;
  /** CAs whose client certificates are accepted. Empty: none are asked for. */
  clientCa: string[];
}

/** Where they lie. */
export interface TlsFiles {
  certFile: string;
  keyFile: string;
  clientCaFiles: string[];
}

export async function readTlsFiles(files: TlsFiles): Promise<TlsMaterial> {
  const [cert, key, ...clientCa] = await Promise.all(
    [files.certFile, files.keyFile, ...files.clientCaFiles].map((path) => readFile(path, 'utf8')),
  );
  return { cert: cert ?? '', key: key ?? '', clientCa };
}

/**
 * Looks at the files every `intervalMs` and hands over what changed, so that a rotated certificate is
 * served without a restart. Files that cannot be read, or half a pair, leave the old ones in force.
 */
export function watchTlsFiles(options: {
  files: TlsFiles;
  current: TlsMaterial;
  intervalMs: number;
  clock: Clock;
  log: Logger;
  /** Throws where key and certificate do not fit together. */
  apply(material: TlsMaterial): void;
}): Timer {
  let known = JSON.stringify(options.current);
  let stopped = false;
  let timer: Timer;
  const look = async () => {
    try {
      const material = await readTlsFiles(options.files);
      const text = JSON.stringify(material);
      if (text !== known) {
        options.apply(material);
        known = text;
        options.log.info({ certFile: options.files.certFile }, 'serving with renewed TLS files');
      }
    } catch (error) {
      options.log.warn({ error: messageOf(error) }, 'could not reload the TLS files; the old ones stay');
    }
    if (!stopped) plan();
  };
  const plan = () => {
    timer = options.clock.after(options.intervalMs, () => void look());
  };
  plan();
  return {
    cancel: () => {
      stopped = true;
      timer.cancel();
    },
  };
}
