/** '0.2.0' before '0.10.0', '0.2.0-rc.1' before '0.2.0'; build metadata counts for nothing. As semver.org orders them. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [parse(a), parse(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left.numbers[i] ?? 0) - (right.numbers[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return comparePreReleases(left.preRelease, right.preRelease);
}

/** The version that a release's name begins with: '0.1.0' of '0.1.0-7f1ad64f5a7e'. */
export const versionOfRelease = (id: string): string => id.slice(0, id.lastIndexOf('-'));

/** 36 of '1.36', 'v1.36.0+slipway.0.1.0'; undefined where it is no Kubernetes version. */
export function kubernetesMinor(version: string): number | undefined {
  const minor = /^v?1\.(\d+)(?:\.|$)/.exec(version)?.[1];
  return minor === undefined ? undefined : Number(minor);
}

interface Version {
  numbers: number[];
  preRelease: string[];
}

function parse(text: string): Version {
  const [core = '', ...rest] = text.replace(/^v/, '').replace(/\+.*/, '').split('-');
  const preRelease = rest.join('-');
  return { numbers: core.split('.').map(Number), preRelease: preRelease === '' ? [] : preRelease.split('.') };
}

/** One without a pre-release comes after those with one; numbers come before words, and fewer parts before more. */
function comparePreReleases(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Math.sign(b.length - a.length);
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const order = comparePart(a[i], b[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  const [left, right] = [/^\d+$/.test(a), /^\d+$/.test(b)];
  if (left && right) return Math.sign(Number(a) - Number(b));
  if (left !== right) return left ? -1 : 1;
  return a < b ? -1 : 1;
}
