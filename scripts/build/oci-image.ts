import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** A file of an image's layer: content, or where a symbolic link points. Paths have no leading slash. */
export type ImageFile =
  | { path: string; content: Buffer | string; mode?: number }
  | { path: string; linkTo: string }
  | { path: string; folder: true; mode?: number };

export interface ImageOptions {
  /** Full reference, as a Pod names it: 'slipway.local/busybox:1'. */
  name: string;
  files: readonly ImageFile[];
  /** Config of the image (OCI): Entrypoint, Cmd, Env, WorkingDir, User … */
  config?: Record<string, unknown>;
  /** As OCI names it. Default: this machine's. */
  architecture?: 'amd64' | 'arm64';
}

interface Blob {
  digest: string;
  size: number;
  content: Buffer;
}

function blobOf(content: Buffer): Blob {
  return { digest: createHash('sha256').update(content).digest('hex'), size: content.length, content };
}

async function tarOf(files: readonly ImageFile[]): Promise<Buffer> {
  const archive = pack();
  const mtime = new Date(0);
  for (const file of files) {
    const header = { name: file.path, mtime, uid: 0, gid: 0, mode: 0o755 };
    if ('linkTo' in file) archive.entry({ ...header, type: 'symlink', linkname: file.linkTo });
    else if ('folder' in file) archive.entry({ ...header, type: 'directory', mode: file.mode ?? 0o755 });
    else archive.entry({ ...header, mode: file.mode ?? 0o755 }, file.content as Buffer);
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * An OCI image with one layer, as the tar that `ctr -n k8s.io images import FILE` takes. The same input gives
 * the same bytes.
 */
export async function ociImage({
  name,
  files,
  config = {},
  architecture = process.arch === 'arm64' ? 'arm64' : 'amd64',
}: ImageOptions): Promise<Buffer> {
  const layerTar = await tarOf(files);
  const layer = blobOf(gzipSync(layerTar));
  const imageConfig = blobOf(
    Buffer.from(
      JSON.stringify({
        architecture,
        os: 'linux',
        config,
        rootfs: { type: 'layers', diff_ids: [`sha256:${blobOf(layerTar).digest}`] },
        history: [{ created: '1970-01-01T00:00:00Z', created_by: 'slipway' }],
      }),
    ),
  );
  const describe = (mediaType: string, blob: Blob) => ({
    mediaType,
    digest: `sha256:${blob.digest}`,
    size: blob.size,
  });
  const manifest = blobOf(
    Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: describe('application/vnd.oci.image.config.v1+json', imageConfig),
        layers: [describe('application/vnd.oci.image.layer.v1.tar+gzip', layer)],
      }),
    ),
  );
  const index = {
    schemaVersion: 2,
    manifests: [
      {
        ...describe('application/vnd.oci.image.manifest.v1+json', manifest),
        platform: { architecture, os: 'linux' },
        annotations: { 'io.containerd.image.name': name, 'org.opencontainers.image.ref.name': name },
      },
    ],
  };
  return await tarOf([
    { path: 'oci-layout', content: JSON.stringify({ imageLayoutVersion: '1.0.0' }) },
    { path: 'index.json', content: JSON.stringify(index) },
    ...[layer, imageConfig, manifest].map(({ digest, content }) => ({
      path: `blobs/sha256/${digest}`,
      content,
    })),
  ]);
}
