import { KUBERNETES, kubernetesVersion } from '../base/version.ts';
import type { PathHandler } from './path-handler.ts';
import type { ApiResponse, RequestContext } from './request-context.ts';

/** What /version answers: the Kubernetes version whose API is served, with slipway's own as build metadata. */
export interface VersionInfo {
  major: string;
  minor: string;
  gitVersion: string;
  gitCommit: string;
  gitTreeState: string;
  buildDate: string;
  goVersion: string;
  compiler: string;
  platform: string;
}

export function versionInfo(build: { version: string; commit: string; date: string }): VersionInfo {
  const arch = process.arch === 'x64' ? 'amd64' : process.arch;
  return {
    major: `${KUBERNETES.major}`,
    minor: `${KUBERNETES.minor}`,
    gitVersion: kubernetesVersion(build.version),
    gitCommit: build.commit,
    gitTreeState: 'clean',
    buildDate: build.date,
    goVersion: `node${process.versions.node}`,
    compiler: 'v8',
    platform: `${process.platform}/${arch}`,
  };
}

export class VersionHandler implements PathHandler {
  readonly #body: Buffer;

  constructor(info: VersionInfo) {
    this.#body = Buffer.from(`${JSON.stringify(info, null, 2)}\n`);
  }

  handle(context: RequestContext, response: ApiResponse): boolean {
    if (context.info.path.replace(/\/$/, '') !== '/version') return false;
    response.send(200, 'application/json', this.#body);
    return true;
  }
}
