import { readFileSync, statSync } from 'node:fs';
import type { Clock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';

/** What a client shows to a server, in PEM; a token goes into the Authorization header. */
export interface Credentials {
  ca?: string;
  cert?: string;
  key?: string;
  token?: string;
}

/**
 * Asked before each request, so it must be cheap. A new object (by identity) makes the client open new
 * connections with it; those in use are left to finish. The same object means: nothing changed.
 */
export type CredentialsProvider = () => Credentials;

export interface CredentialFiles {
  caFile?: string;
  certFile?: string;
  keyFile?: string;
  tokenFile?: string;
}

const RECHECK_MS = 5_000;

/**
 * Credentials from files (added to what is given inline) that are looked at again at most every five
 * seconds, when a request is made. A file that cannot be read or a half-written pair keeps the old ones:
 * rotation renames files one after the other.
 */
export function fileCredentials(
  files: CredentialFiles,
  inline: Credentials,
  clock: Clock,
): CredentialsProvider {
  const paths = [files.caFile, files.certFile, files.keyFile, files.tokenFile].filter(
    (path) => path !== undefined,
  );
  let current = readAll(files, inline);
  let stamp = stampOf(paths);
  let checkedMs = clock.monotonicMs();
  return () => {
    if (paths.length === 0 || clock.monotonicMs() - checkedMs < RECHECK_MS) return current;
    checkedMs = clock.monotonicMs();
    try {
      const now = stampOf(paths);
      if (now === stamp) return current;
      const next = readAll(files, inline);
      stamp = now;
      if (!same(next, current)) current = next;
    } catch {
      // Looked at again in five seconds; until then the old credentials are as good as they were.
    }
    return current;
  };
}

/** Changes whenever a file is written, replaced or renamed into place (symlinks are followed). */
function stampOf(paths: readonly string[]): string {
  return paths
    .map((path) => {
      const stat = statSync(path);
      return `${stat.ino}:${stat.mtimeMs}:${stat.size}`;
    })
    .join(' ');
}

function readAll(files: CredentialFiles, inline: Credentials): Credentials {
  const all: Credentials = { ...inline };
  if (files.caFile !== undefined) all.ca = read(files.caFile);
  if (files.certFile !== undefined) all.cert = read(files.certFile);
  if (files.keyFile !== undefined) all.key = read(files.keyFile);
  if (files.tokenFile !== undefined) all.token = read(files.tokenFile).trim();
  return all;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new SlipwayError('E_CREDENTIAL_FILE', `cannot read the credential file ${path}`, {
      cause,
      hint: 'check the path in the kubeconfig and that this user may read it',
    });
  }
}

function same(a: Credentials, b: Credentials): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key && a.token === b.token;
}
