import { execFileSync } from 'node:child_process';

export interface Module {
  readonly path: string;
  readonly version: string;
  /** The checksum of go.sum: 'h1:…'. */
  readonly sum: string;
  readonly dir: string;
}

/** Finds a Go module in the module cache, downloading it where it is not there; needs `go`. */
export function locateModule(path: string, version: string): Module {
  const output = execFileSync('go', ['mod', 'download', '-json', `${path}@${version}`], {
    encoding: 'utf8',
    cwd: '/',
  });
  const found = JSON.parse(output) as { Dir: string; Sum: string };
  return { path, version, sum: found.Sum, dir: found.Dir };
}
