import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { TLSSocket } from 'node:tls';
import type { TokenReview } from '../../api/gen/types/authentication-v1.ts';
import { TOKENREVIEWS } from '../../api/gen/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Client } from '../../client/client.ts';

export interface Identity {
  user: string;
  uid?: string;
  groups: string[];
  extra?: Record<string, string[]>;
}

const TOKEN_TTL_MS = 60_000;

/** Who asks: by a client certificate of the cluster's CA, or a token that the API server knows. */
export class Authenticator {
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #tokens = new Map<string, { identity: Identity | undefined; untilMs: number }>();

  constructor(client: Client, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /** undefined for nobody known: the answer is 401. */
  async identify(request: IncomingMessage): Promise<Identity | undefined> {
    const byCertificate = certificateIdentity(request.socket as TLSSocket);
    if (byCertificate) return byCertificate;
    const token = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    return token === undefined ? undefined : this.#review(token);
  }

  async #review(token: string): Promise<Identity | undefined> {
    const key = createHash('sha256').update(token).digest('base64');
    const now = this.#clock.monotonicMs();
    const known = this.#tokens.get(key);
    if (known && known.untilMs > now) return known.identity;
    for (const [old, { untilMs }] of this.#tokens) if (untilMs <= now) this.#tokens.delete(old);
    const review: TokenReview = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token },
    };
    const { status } = await this.#client.create(TOKENREVIEWS, review);
    const user = status?.authenticated ? status.user : undefined;
    const identity = user?.username
      ? {
          user: user.username,
          groups: user.groups ?? [],
          ...(user.uid ? { uid: user.uid } : {}),
          ...(user.extra ? { extra: user.extra } : {}),
        }
      : undefined;
    this.#tokens.set(key, { identity, untilMs: now + TOKEN_TTL_MS });
    return identity;
  }
}

function certificateIdentity(socket: TLSSocket): Identity | undefined {
  if (!socket.authorized) return undefined;
  const { subject } = socket.getPeerCertificate();
  const user = first(subject?.CN);
  if (!user) return undefined;
  const organizations = subject.O;
  const groups = organizations === undefined ? [] : [organizations].flat();
  return { user, groups: [...groups, 'system:authenticated'] };
}

const first = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value[0] : value;
