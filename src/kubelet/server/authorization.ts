import type { SubjectAccessReview } from '../../api/gen/types/authorization-v1.ts';
import { SUBJECTACCESSREVIEWS } from '../../api/gen/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';
import type { Identity } from './authentication.ts';

/** Upstream's webhook cache: a yes holds five minutes there; ours is shorter, so that a revoked right ends soon. */
const ALLOWED_TTL_MS = 60_000;
const DENIED_TTL_MS = 10_000;

const VERBS: Record<string, string> = {
  GET: 'get',
  HEAD: 'get',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};

/** May they ask this of the node: a SubjectAccessReview on nodes/<subresource>. Mirrors pkg/kubelet/server/auth.go. */
export class Authorizer {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #nodeName: string;
  readonly #answers = new Map<string, { allowed: boolean; untilMs: number }>();

  constructor(options: { client: Client; clock: Clock; nodeName: string }) {
    this.#client = options.client;
    this.#clock = options.clock;
    this.#nodeName = options.nodeName;
  }

  async allows(identity: Identity, method: string, path: string): Promise<boolean> {
    if (identity.groups.includes('system:masters')) return true;
    const verb = VERBS[method] ?? '';
    for (const subresource of subresourcesOf(path)) {
      if (await this.#review(identity, verb, subresource)) return true;
    }
    return false;
  }

  /** The words of upstream's refusal. */
  refusal(identity: Identity, method: string, path: string): string {
    const resources = subresourcesOf(path).map((name) => `nodes/${name}`);
    return `Forbidden (user=${identity.user}, verb=${VERBS[method] ?? ''}, resource=nodes, subresource(s)=[${resources
      .map((name) => name.slice(6))
      .join(' ')}])`;
  }

  async #review(identity: Identity, verb: string, subresource: string): Promise<boolean> {
    const key = JSON.stringify([identity.user, identity.groups, verb, subresource]);
    const now = this.#clock.monotonicMs();
    const known = this.#answers.get(key);
    if (known && known.untilMs > now) return known.allowed;
    for (const [old, { untilMs }] of this.#answers) if (untilMs <= now) this.#answers.delete(old);
    const review: SubjectAccessReview = {
      apiVersion: 'authorization.k8s.io/v1',
      kind: 'SubjectAccessReview',
      spec: {
        user: identity.user,
        groups: identity.groups,
        ...(identity.uid ? { uid: identity.uid } : {}),
        ...(identity.extra ? { extra: identity.extra } : {}),
        resourceAttributes: {
          group: '',
          version: 'v1',
          resource: 'nodes',
          name: this.#nodeName,
          subresource,
          verb,
        },
      },
    };
    const { status } = await this.#client.create(SUBJECTACCESSREVIEWS, review);
    const allowed = status?.allowed === true;
    this.#answers.set(key, { allowed, untilMs: now + (allowed ? ALLOWED_TTL_MS : DENIED_TTL_MS) });
    return allowed;
  }
}

/** The rights that open a path, each by itself: the fine ones first, then nodes/proxy. */
export function subresourcesOf(path: string): string[] {
  if (path.startsWith('/stats')) return ['stats'];
  if (path.startsWith('/metrics')) return ['metrics'];
  if (path.startsWith('/logs')) return ['log'];
  if (path === '/pods' || path === '/runningpods/' || path === '/runningpods') return ['pods', 'proxy'];
  if (path.startsWith('/healthz')) return ['healthz', 'proxy'];
  if (path.startsWith('/configz')) return ['configz', 'proxy'];
  return ['proxy'];
}
