import type { Plugin } from '../framework.ts';

const MIN_BYTES = 23 * 1024 * 1024;
const MAX_BYTES_PER_CONTAINER = 1000 * 1024 * 1024;

/** Nodes that have the pod's images score higher. Mirrors imagelocality, without its count of nodes. */
export const imageLocality: Plugin = {
  name: 'ImageLocality',
  prepare({ pod }) {
    const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
    const names = containers.map(({ image = '' }) => normalized(image));
    const max = MAX_BYTES_PER_CONTAINER * names.length;
    return {
      score: (nodes) =>
        nodes.map(({ images }) => {
          const present = names.reduce((sum, name) => sum + (images.get(name) ?? 0), 0);
          const bytes = Math.min(Math.max(present, MIN_BYTES), max);
          return Math.floor((100 * (bytes - MIN_BYTES)) / (max - MIN_BYTES));
        }),
    };
  },
  mayHelp: () => false,
};

function normalized(image: string): string {
  return image.lastIndexOf(':') <= image.lastIndexOf('/') ? `${image}:latest` : image;
}
