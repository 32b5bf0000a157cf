import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';

export const MANIFEST_NAME = 'manifest.json';

/** What a bundle holds; its first entry. */
export interface BundleManifest {
  formatVersion: 1;
  /** Code name of the distribution's release: 'bookworm'. */
  suite: string;
  /** Debian's name: 'amd64', 'arm64'. */
  architecture: string;
  created: string;
  /** Every other entry of the archive. */
  files: Array<{ name: string; bytes: number; sha256: string }>;
}

/** Reads a bundle from end to end and checks every file by its hash. E_BUNDLE names what is wrong. */
export async function checkBundle(path: string): Promise<BundleManifest> {
  let manifest: BundleManifest | undefined;
  const found = new Map<string, string>();
  const extract = tar.extract();
  const reading = pipeline(createReadStream(path), extract);
  reading.catch(() => {});
  try {
    for await (const entry of extract) {
      const hash = createHash('sha256');
      const chunks: Buffer[] = [];
      for await (const chunk of entry) {
        hash.update(chunk as Buffer);
        if (entry.header.name === MANIFEST_NAME) chunks.push(chunk as Buffer);
      }
      if (entry.header.name === MANIFEST_NAME)
        manifest = JSON.parse(Buffer.concat(chunks).toString()) as BundleManifest;
      else found.set(entry.header.name, hash.digest('hex'));
    }
    await reading;
  } catch (cause) {
    const why = codeOf(cause) === 'ENOENT' ? 'does not exist' : `cannot be read: ${messageOf(cause)}`;
    throw refuse(path, why, cause);
  }
  if (manifest?.formatVersion !== 1) throw refuse(path, 'is no bundle of slipway');
  for (const file of manifest.files) {
    if (found.get(file.name) !== file.sha256)
      throw refuse(path, `is damaged: ${file.name} is not what it was`);
  }
  return manifest;
}

function refuse(path: string, why: string, cause?: unknown): SlipwayError {
  return new SlipwayError('E_BUNDLE', `the bundle ${path} ${why}`, {
    cause,
    hint: 'make it again with "slipway bundle"',
  });
}
