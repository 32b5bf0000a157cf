import { isIP } from 'node:net';
import type { Upstream } from './upstream.ts';

/** The name servers of a resolv.conf(5), in their order, up to three as the C library takes them. */
export function parseResolvConf(text: string): Upstream[] {
  const found: Upstream[] = [];
  for (const line of text.split('\n')) {
    const [keyword, address] = line.split(/[#;]/)[0]?.trim().split(/\s+/) ?? [];
    if (keyword !== 'nameserver' || address === undefined || isIP(address.split('%')[0] ?? '') === 0)
      continue;
    if (!found.some((known) => known.address === address)) found.push({ address, port: 53 });
  }
  return found.slice(0, 3);
}
