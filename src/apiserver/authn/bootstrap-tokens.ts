import { timingSafeEqual } from 'node:crypto';
import { SECRETS } from '../../api/gen/resources.ts';
import type { Clock } from '../../base/clock.ts';
import type { Authenticated } from '../authentication.ts';
import type { ObjectReader } from '../object-store.ts';

const TOKEN = /^([a-z0-9]{6})\.([a-z0-9]{16})$/;
const EXTRA_GROUP = /^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$/;
const SECRET_TYPE = 'bootstrap.kubernetes.io/token';

/**
 * Tokens with which a new node asks for its first certificate, kept as Secrets of kube-system.
 * Mirrors plugin/pkg/auth/authenticator/token/bootstrap/bootstrap.go.
 */
export class BootstrapTokens {
  readonly #reader: ObjectReader;
  readonly #clock: Clock;

  constructor(options: { reader: ObjectReader; clock: Clock }) {
    this.#reader = options.reader;
    this.#clock = options.clock;
  }

  /** Undefined where the token has another form, is unknown, expired, or not for this use. */
  async authenticate(token: string): Promise<Authenticated | undefined> {
    const [, id = '', secretPart = ''] = TOKEN.exec(token) ?? [];
    if (id === '') return undefined;
    const secret = await this.#reader.get(SECRETS, `bootstrap-token-${id}`, 'kube-system');
    if (!secret || secret.metadata?.deletionTimestamp || secret.type !== SECRET_TYPE) return undefined;
    const text = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8');
    if (!equal(text('token-secret'), secretPart) || text('token-id') !== id) return undefined;
    if (expired(text('expiration'), this.#clock.now())) return undefined;
    if (text('usage-bootstrap-authentication') !== 'true') return undefined;
    const groups = extraGroups(text('auth-extra-groups'));
    if (!groups) return undefined;
    return {
      user: { name: `system:bootstrap:${id}`, groups: ['system:bootstrappers', ...groups], extra: {} },
    };
  }
}

/** In constant time, so that the time of an answer tells nothing about the secret. */
function equal(a: string, b: string): boolean {
  const left = Buffer.from(a);
  const right = Buffer.from(b);
  return left.length === right.length && timingSafeEqual(left, right);
}

/** A time that cannot be read counts as passed. */
function expired(expiration: string, now: number): boolean {
  if (expiration === '') return false;
  const at = Date.parse(expiration);
  return Number.isNaN(at) || at <= now;
}

/** The groups, sorted; undefined where one of them is not a bootstrap group. */
function extraGroups(text: string): string[] | undefined {
  const groups = [...new Set(text.split(',').filter((group) => group !== ''))].sort();
  return groups.every((group) => EXTRA_GROUP.test(group)) ? groups : undefined;
}
