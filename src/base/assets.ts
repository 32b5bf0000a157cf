import { readFileSync } from 'node:fs';
import { getAsset, isSea } from 'node:sea';
import { fileURLToPath } from 'node:url';

/**
 * Files that travel inside the executable: templates, the sandbox image, the code of worker threads. Run
 * from a checkout, the same names are read from the tree, so nothing has to be built first.
 */
export function isExecutable(): boolean {
  return isSea();
}

/** `name` is the path below the checkout, e.g. 'templates/systemd/kubelet.service.hbs'. Throws where there is none. */
export function readAsset(name: string): Buffer {
  return isSea() ? Buffer.from(getAsset(name)) : readFileSync(checkoutPath(name));
}

export function readTextAsset(name: string): string {
  return isSea() ? getAsset(name, 'utf8') : readFileSync(checkoutPath(name), 'utf8');
}

/** The absolute path of a file of the checkout. Meaningless inside the executable, where there is no checkout. */
export function checkoutPath(name: string): string {
  return fileURLToPath(new URL(`../../${name}`, import.meta.url));
}
