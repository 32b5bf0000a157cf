import { debianProgram, type DebianProgram } from './debian-program.ts';

/**
 * The kubectl of Debian's own kubernetes-client, years older than the server: many machines have no other.
 * Unpacked beside whatever kubectl is installed, so that both can be tested.
 */
export function debianKubectl(): DebianProgram {
  return debianProgram('kubectl', 'kubernetes-client');
}
