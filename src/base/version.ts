import { execFileSync } from 'node:child_process';
import { checkoutPath, isExecutable, readTextAsset } from './assets.ts';

export interface ReleaseInfo {
  /** As package.json has it: '0.1.0'. */
  version: string;
  /** The git commit that was built, with '-dirty' where files differed from it; 'unknown' outside a checkout. */
  commit: string;
}

/** The Kubernetes release whose API and behaviour this is. */
export const KUBERNETES = { major: 1, minor: 36, patch: 0 } as const;

/** 'v1.36.0+slipway.0.1.0': what API servers and kubelets call themselves, slipway's own version as build metadata. */
export const kubernetesVersion = (version: string): string =>
  `v${KUBERNETES.major}.${KUBERNETES.minor}.${KUBERNETES.patch}+slipway.${version}`;

/** The build writes it into the executable under this name. */
export const RELEASE_INFO_ASSET = 'release.json';

let known: ReleaseInfo | undefined;

/** What this program is. In the executable it is what the build wrote; in a checkout it is asked of git. */
export function releaseInfo(): ReleaseInfo {
  known ??= isExecutable()
    ? (JSON.parse(readTextAsset(RELEASE_INFO_ASSET)) as ReleaseInfo)
    : { version: packageVersion(), commit: gitCommit() };
  return known;
}

function packageVersion(): string {
  return (JSON.parse(readTextAsset('package.json')) as { version: string }).version;
}

function gitCommit(): string {
  const git = (...args: string[]): string =>
    execFileSync('git', ['-C', checkoutPath(''), ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  try {
    const commit = git('rev-parse', 'HEAD');
    return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}-dirty`;
  } catch {
    return 'unknown';
  }
}
