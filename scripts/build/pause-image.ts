import { ociImage } from './oci-image.ts';
import { pauseBinary, type PauseArchitecture } from './pause-binary.ts';

/** The sandbox image as a tar for `ctr -n k8s.io images import`: slipway.local/pause:<version>. */
export function pauseImage(version: string, architecture: PauseArchitecture): Promise<Buffer> {
  return ociImage({
    name: `slipway.local/pause:${version}`,
    architecture,
    files: [{ path: 'pause', content: pauseBinary(architecture) }],
    config: { Entrypoint: ['/pause'], User: '65535:65535', WorkingDir: '/' },
  });
}
