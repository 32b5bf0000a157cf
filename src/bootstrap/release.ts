/** The executable that servers get, as `slipway up` found it. */
export interface Release {
  version: string;
  /** The Kubernetes minor release that it is of: '1.36'. */
  kubernetes: string;
  /** '<version>-<first 12 digits of the hash>': names the release's directory on servers. */
  id: string;
  sha256: string;
  bytes: number;
  /** The gzip-compressed executable on this machine. */
  compressedPath: string;
  compressedBytes: number;
  /** As uname -m prints it: 'x86_64', 'aarch64'. */
  architecture: string;
}

export const RELEASES_DIRECTORY = '/opt/slipway/releases';
export const CURRENT_LINK = '/opt/slipway/current';

/** Every name that the executable is called by on a server. */
export const EXECUTABLE_NAMES = [
  'slipway',
  'slipway-apiserver',
  'slipway-controller-manager',
  'slipway-scheduler',
  'slipway-kubelet',
  'slipway-proxy',
  'slipway-dns',
  'slipway-network',
] as const;

export const executableOf = (release: Release): string => `${RELEASES_DIRECTORY}/${release.id}/slipway`;
/** Whether a server has this release's executable, whole; `executables` are the hashes of its Facts. */
export const hasExecutable = (
  { executables }: { executables: ReadonlyMap<string, string> },
  release: Release,
): boolean => executables.get(executableOf(release)) === release.sha256;
/** Id of the release that a server's programs are of; undefined where none is installed. `links` are those of its Facts. */
export const installedRelease = ({ links }: { links: ReadonlyMap<string, string> }): string | undefined =>
  /^releases\/(.+)$/.exec(links.get(CURRENT_LINK) ?? '')?.[1];
/** Whether this is the hash of the executable of a release, as far as its name tells: '0.1.0-7f1ad64f5a7e'. */
export const isWhole = (releaseId: string, sha256: string): boolean =>
  sha256.startsWith(releaseId.slice(releaseId.lastIndexOf('-') + 1));
/** The image of the container that holds a pod's namespaces: built with the release, known by its version. */
export const sandboxImageOf = (release: Release): string => `slipway.local/pause:${release.version}`;
