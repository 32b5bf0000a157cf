import type { Volume, VolumeProjection } from '../../../../api/gen/types/core-v1.ts';
import { jsonQuote } from '../../../json-quote.ts';

interface Placed {
  path: string;
  /** What puts something there; '' where that is clear. */
  source: string;
}

const shown = ({ path, source }: Placed): string =>
  source === '' ? jsonQuote(path) : `${jsonQuote(path)} (${source})`;

/** Of files of a volume that lie on or below each other. Mirrors warningsForOverlappingVirtualPaths of pkg/api/pod/warnings.go. */
export function overlappingPathWarnings(volumes: readonly Volume[]): string[] {
  return volumes.flatMap((volume) => {
    const warn = (kind: string, files: readonly Placed[]): string[] =>
      overlaps(files).map((text) => `volume ${jsonQuote(volume.name)} (${kind}): overlapping paths: ${text}`);
    const plain = (items: ReadonlyArray<{ path?: string }> | undefined): Placed[] =>
      (items ?? []).map(({ path }) => ({ path: path ?? '', source: '' }));
    const { configMap, secret, downwardAPI, projected } = volume;
    const sources = projected?.sources ?? [];
    return [
      ...warn(`ConfigMap ${jsonQuote(configMap?.name ?? '')}`, plain(configMap?.items)),
      ...warn(`Secret ${jsonQuote(secret?.secretName ?? '')}`, plain(secret?.items)),
      ...warn('DownwardAPI', plain(downwardAPI?.items)),
      ...sources
        .filter((source) => Object.keys(source).length === 0)
        .map(() => `volume ${jsonQuote(volume.name)} (Projected) has no sources provided`),
      ...warn('Projected', sources.flatMap(projectedFiles)),
    ];
  });
}

function projectedFiles(source: VolumeProjection): Placed[] {
  const of = (items: ReadonlyArray<{ path?: string }> | undefined, from: string): Placed[] =>
    (items ?? []).map(({ path }) => ({ path: path ?? '', source: from }));
  const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
  if (configMap?.items) return of(configMap.items, `ConfigMap ${jsonQuote(configMap.name ?? '')}`);
  if (secret?.items) return of(secret.items, `Secret ${jsonQuote(secret.name ?? '')}`);
  if (downwardAPI?.items) return of(downwardAPI.items, 'DownwardAPI');
  if (serviceAccountToken) return of([serviceAccountToken], 'ServiceAccountToken');
  if (clusterTrustBundle) {
    const name = clusterTrustBundle.name ?? clusterTrustBundle.signerName ?? '';
    return of([clusterTrustBundle], `ClusterTrustBundle ${jsonQuote(name)}`);
  }
  const certificate: Array<[string | undefined, string]> = [
    [podCertificate?.certificateChainPath, 'PodCertificate chain'],
    [podCertificate?.keyPath, 'PodCertificate key'],
    [podCertificate?.credentialBundlePath, 'PodCertificate credential bundle'],
  ];
  return certificate.flatMap(([path, from]) => (path ? [{ path, source: from }] : []));
}

function overlaps(files: readonly Placed[]): string[] {
  const trimmed = files.map(({ path, source }) => ({ path: path.replace(/\/+$/, ''), source }));
  return trimmed.flatMap((file, index) =>
    trimmed
      .slice(0, index)
      .filter(
        ({ path }) => path !== '' && file.path !== '' && (below(path, file.path) || below(file.path, path)),
      )
      .map((other) => `${shown(file)} with ${shown(other)}`),
  );
}

function below(inner: string, outer: string): boolean {
  return `${inner}/`.startsWith(`${outer}/`);
}
