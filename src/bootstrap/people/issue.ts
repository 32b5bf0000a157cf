import { SlipwayError } from '../../base/errors.ts';
import type { Clock } from '../../base/clock.ts';
import { SIGNER } from '../../pki/cluster-pki.ts';
import { issueCertificate } from '../../pki/issue.ts';
import { renderKubeconfig } from '../../pki/kubeconfig.ts';
import { parseCertificate } from '../../pki/parse.ts';
import type { Inventory } from '../inventory/schema.ts';
import type { StateDirectory } from '../state-directory.ts';
import { recordPerson, type PersonRecord } from './record.ts';

export interface PersonRequest {
  user: string;
  groups: readonly string[];
  lifetimeMs: number;
  /** Names and groups that are Kubernetes' own are refused without it. */
  breakGlass: boolean;
  /** 'https://…' to put into the kubeconfig instead of the cluster's own. */
  server?: string;
}

export interface PersonKubeconfig {
  kubeconfig: string;
  record: PersonRecord;
}

/** What is reserved for components and for the cluster's first administrator. */
const RESERVED = /^system:/;
const SIZE = 64;

/**
 * A kubeconfig with a client certificate for a person, signed by the cluster's signer. The certificate cannot be
 * taken back: what it may do is up to the roles of user and groups, and it ends with its lifetime. It is recorded
 * in the state directory before it is given out. Errors: E_PERSON, E_NO_CLUSTER.
 */
export async function issueForPerson(
  inventory: Inventory,
  state: StateDirectory,
  clock: Clock,
  request: PersonRequest,
): Promise<PersonKubeconfig> {
  checkRequest(request);
  const pki = await state.readPki();
  const [caPem, certPem, keyPem] = [pki['pki/ca.crt'], pki[`${SIGNER}.crt`], pki[`${SIGNER}.key`]];
  if (caPem === undefined || certPem === undefined || keyPem === undefined) {
    throw new SlipwayError('E_NO_CLUSTER', `${state.path} holds no cluster`, {
      hint: 'make one with "slipway up", or name its directory with --state-dir',
    });
  }
  const identity = issueCertificate({
    ca: { certPem, keyPem },
    commonName: request.user,
    organizations: [...request.groups],
    usages: ['digital signature', 'client auth'],
    clock,
    algorithm: inventory.cluster.keys,
    validity: { durationMs: request.lifetimeMs },
  });
  const { serialNumber, notAfterMs } = parseCertificate(identity.certPem);
  const record: PersonRecord = {
    serialNumber,
    user: request.user,
    groups: [...request.groups],
    issuedMs: clock.now(),
    notAfterMs,
    breakGlass: request.breakGlass,
  };
  await recordPerson(state, record);
  const kubeconfig = renderKubeconfig({
    clusterName: inventory.cluster.name,
    servers: request.server === undefined ? serversFor(inventory) : [request.server],
    caPem,
    user: request.user,
    credential: identity,
  });
  return { kubeconfig, record };
}

function checkRequest({ user, groups, lifetimeMs, breakGlass }: PersonRequest): void {
  const refuse = (message: string, hint: string): never => {
    throw new SlipwayError('E_PERSON', message, { hint });
  };
  for (const [what, name] of [['user', user] as const, ...groups.map((group) => ['group', group] as const)]) {
    // X.509 holds names of 64 characters.
    if (name === '' || name.length > SIZE || /[\p{Cc}\p{Zl}\p{Zp}]/u.test(name)) {
      refuse(`the ${what} "${name}" is no name`, `use 1 to ${SIZE} printable characters`);
    }
    if (RESERVED.test(name) && !breakGlass) {
      refuse(
        `the ${what} ${name} is Kubernetes' own`,
        what === 'group'
          ? 'bind roles to a group of your own; --break-glass gives it all the same'
          : 'people have names of their own; --break-glass gives it all the same',
      );
    }
  }
  if (!(lifetimeMs >= 60_000)) refuse('the lifetime is less than a minute', 'give --lifetime 8h, 30m or 7d');
}

/** Where people reach the API: by the virtual address, where there is one. */
function serversFor({ api, servers }: Inventory): [string, ...string[]] {
  const own = servers.filter(({ roles }) => roles.includes('control-plane')).map(({ address }) => address);
  const [first = '', ...rest] = api.virtualAddress === undefined ? own : [api.virtualAddress, ...own];
  return [`https://${first}:${api.port}`, ...rest.map((address) => `https://${address}:${api.port}`)];
}
