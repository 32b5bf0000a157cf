/** Parts of an image reference, with Docker's defaults put in: 'busybox' is 'docker.io/library/busybox:latest'. */
export interface ImageName {
  /** 'docker.io/library/busybox'. */
  repository: string;
  registry: string;
  tag: string;
  digest: string;
}

const DOMAIN =
  /^(?:(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])(?:\.(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9]))*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?$/;
const PATH = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/;
const TAG = /^\w[\w.-]{0,127}$/;
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/;

/** undefined where the text is no valid reference. */
export function parseImageName(image: string): ImageName | undefined {
  const [named, digest = '', ...more] = image.split('@');
  if (more.length > 0 || named === undefined || (digest !== '' && !DIGEST.test(digest))) return undefined;
  const colon = named.lastIndexOf(':');
  const hasTag = colon > named.lastIndexOf('/');
  const name = hasTag ? named.slice(0, colon) : named;
  const tag = hasTag ? named.slice(colon + 1) : '';
  if (hasTag && !TAG.test(tag)) return undefined;
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  const isDomain = /[.:]/.test(first) || first === 'localhost' || first.toLowerCase() !== first;
  const registry = isDomain ? first : 'docker.io';
  let path = isDomain ? name.slice(slash + 1) : name;
  if (registry === 'docker.io' && !path.includes('/')) path = `library/${path}`;
  if (!DOMAIN.test(registry) || !PATH.test(path) || `${registry}/${path}`.length > 255) return undefined;
  return { repository: `${registry}/${path}`, registry, tag: tag || (digest ? '' : 'latest'), digest };
}

/** The reference with a tag, as the runtime is asked for it. */
export function withDefaultTag(image: string, name: ImageName): string {
  const bare = image.split('@')[0] ?? image;
  const hasTag = bare.lastIndexOf(':') > bare.lastIndexOf('/');
  return hasTag || name.digest !== '' ? image : `${image}:${name.tag}`;
}
