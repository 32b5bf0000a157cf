import type { Secret } from '../../api/gen/types/core-v1.ts';
import type { AuthConfig } from '../cri/runtime.ts';
import type { ImageName } from './image-name.ts';

interface DockerEntry {
  username?: string;
  password?: string;
  auth?: string;
  identitytoken?: string;
}

/** Credentials of imagePullSecrets that fit an image, the most specific first. Mirrors pkg/credentialprovider/keyring.go. */
export function credentialsFor(image: ImageName, secrets: readonly Secret[]): AuthConfig[] {
  const found: Array<{ key: string; auth: AuthConfig }> = [];
  for (const secret of secrets) {
    for (const [key, entry] of Object.entries(entriesOf(secret))) {
      if (matches(key, image)) found.push({ key, auth: authOf(key, entry) });
    }
  }
  return found.sort((a, b) => b.key.length - a.key.length).map(({ auth }) => auth);
}

function entriesOf(secret: Secret): Record<string, DockerEntry> {
  const modern = secret.data?.['.dockerconfigjson'];
  const legacy = secret.data?.['.dockercfg'];
  try {
    if (secret.type === 'kubernetes.io/dockerconfigjson' && modern) {
      const config = JSON.parse(Buffer.from(modern, 'base64').toString('utf8')) as { auths?: object };
      return (config.auths ?? {}) as Record<string, DockerEntry>;
    }
    if (secret.type === 'kubernetes.io/dockercfg' && legacy) {
      return JSON.parse(Buffer.from(legacy, 'base64').toString('utf8')) as Record<string, DockerEntry>;
    }
  } catch {
    // A broken secret gives no credentials; the pull's own error tells of it.
  }
  return {};
}

/** 'https://index.docker.io/v1/' is docker.io; '*.example.org' matches one label; a path is a prefix. */
function matches(key: string, image: ImageName): boolean {
  const bare = key
    .replace(/^https?:\/\//, '')
    .replace(/\/v[12]\/?$/, '')
    .replace(/\/$/, '');
  const slash = bare.indexOf('/');
  const host = slash < 0 ? bare : bare.slice(0, slash);
  const path = slash < 0 ? '' : bare.slice(slash + 1);
  const known = host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
  const pattern = known.split('.');
  const parts = image.registry.split('.');
  if (pattern.length !== parts.length) return false;
  if (!pattern.every((part, index) => part === '*' || part === parts[index])) return false;
  const rest = image.repository.slice(image.registry.length + 1);
  return path === '' || rest === path || rest.startsWith(`${path}/`);
}

function authOf(key: string, entry: DockerEntry): AuthConfig {
  const serverAddress = key;
  if (entry.identitytoken) return { serverAddress, identityToken: entry.identitytoken };
  if (entry.username !== undefined) {
    return { serverAddress, username: entry.username, password: entry.password ?? '' };
  }
  const [username = '', ...rest] = Buffer.from(entry.auth ?? '', 'base64')
    .toString('utf8')
    .split(':');
  return { serverAddress, username, password: rest.join(':') };
}
