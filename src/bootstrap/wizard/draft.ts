import { checkRules } from '../inventory/rules.ts';
import { inventorySchema } from '../inventory/schema.ts';

/** How servers are logged in to, as far as it differs from the defaults. */
export interface DraftLogin {
  user?: string;
  port?: number;
  key?: string;
  passwordFrom?: string;
  sudoPasswordFrom?: string;
}

export type Role = 'control-plane' | 'worker';

export interface DraftServer {
  name: string;
  address: string;
  roles: Role[];
  ssh: DraftLogin & { address?: string };
  /** What was found there, for a comment: 'Debian 12, 2 processors, 4096 MiB'. */
  about?: string;
}

/** What the wizard has gathered. Secrets are named by where they are, and never in it. */
export interface Draft {
  name: string;
  podRange: string;
  serviceRange: string;
  virtualAddress?: string;
  extraNames: string[];
  bundle?: string;
  bastion?: DraftLogin & { address: string };
  servers: DraftServer[];
}

/** The draft as an inventory file holds it. */
export function inventoryOf(draft: Draft): unknown {
  return {
    cluster: { name: draft.name },
    network: { podRange: draft.podRange, serviceRange: draft.serviceRange },
    api: {
      extraNames: draft.extraNames,
      ...(draft.virtualAddress === undefined ? {} : { virtualAddress: draft.virtualAddress }),
    },
    ...(draft.bastion ? { ssh: { bastion: draft.bastion } } : {}),
    ...(draft.bundle === undefined ? {} : { packages: { bundle: draft.bundle } }),
    servers: draft.servers.map(({ name, address, roles, ssh }) => ({
      name,
      address,
      roles,
      ...(Object.keys(ssh).length > 0 ? { ssh } : {}),
    })),
  };
}

/**
 * What the inventory's own rules say about these fields of the draft, as a sentence; undefined where they are content.
 * Paths as in 'network.podRange' or 'servers.2.address'.
 */
export function faultAt(draft: Draft, ...paths: string[]): string | undefined {
  const within = (parts: ReadonlyArray<PropertyKey>): boolean => {
    const at = parts.map(String).join('.');
    return paths.some((path) => at === path || at.startsWith(`${path}.`));
  };
  const result = inventorySchema.safeParse(inventoryOf(draft));
  if (!result.success) {
    const issue = result.error.issues.find((each) => within(each.path));
    return issue && sentence(issue.message);
  }
  const fault = checkRules(result.data).find((each) => within(each.path));
  return fault && sentence(fault.message);
}

const sentence = (message: string): string => (message.startsWith('must ') ? `It ${message}.` : message);

/** One control plane, or three or five where there are servers enough: never an even number. */
export const usualControlPlanes = (servers: number): 1 | 3 | 5 => (servers >= 7 ? 5 : servers >= 3 ? 3 : 1);
