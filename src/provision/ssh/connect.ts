import type { Duplex } from 'node:stream';
import ssh2 from 'ssh2';
import type { Clock } from '../../base/clock.ts';
import { codeOf, messageOf, SlipwayError } from '../../base/errors.ts';
import { loginMethods } from './authenticate.ts';
import { checkHostKey, knownLines, type HostKeyOptions } from './host-keys.ts';
import { hostKeyAlgorithms } from './known-hosts.ts';
import { describeTarget, type SshQuestions, type SshTarget } from './target.ts';

export interface ConnectOptions extends HostKeyOptions {
  clock: Clock;
  questions?: SshQuestions;
  /** Until the server has let us in. Default 15 s. */
  timeoutMs?: number;
  signal?: AbortSignal;
}

/** An open connection, and those that it goes through. */
export interface Connection {
  client: ssh2.Client;
  target: SshTarget;
  /** Aborts when the connection is lost or closed; its reason is the E_SSH_LOST error. */
  lost: AbortSignal;
  close(): void;
}

// aes128-gcm is the fastest that every OpenSSH of the last decade offers.
const CIPHERS: ssh2.CipherAlgorithm[] = [
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
  'aes128-ctr',
  'aes256-ctr',
];

/**
 * Connects and logs in, through the bastion where there is one. Errors: E_SSH_UNREACHABLE, E_SSH_AUTH,
 * E_SSH_KEY, E_HOST_KEY_UNKNOWN, E_HOST_KEY_CHANGED; each names the server.
 */
export async function connectSsh(target: SshTarget, options: ConnectOptions): Promise<Connection> {
  const questions = options.questions ?? {};
  const [lines, methods] = await Promise.all([knownLines(options, target), loginMethods(target, questions)]);
  const bastion = target.bastion ? await connectSsh(target.bastion, options) : undefined;
  try {
    const sock = bastion ? await openTunnel(bastion, target, options) : undefined;
    const client = new ssh2.Client();
    const lost = new AbortController();
    client.on('close', () => {
      lost.abort(
        new SlipwayError('E_SSH_LOST', `the SSH connection to ${describeTarget(target)} was lost`, {
          hint: 'check the server and the network, then run the same command again: it continues where it stopped',
        }),
      );
      bastion?.close();
    });
    await login(client, target, options, {
      methods,
      hostKeyAlgorithms: hostKeyAlgorithms(lines),
      check: (key) => checkHostKey(target, key, lines, options, questions),
      sock,
    });
    return { client, target, lost: lost.signal, close: () => client.end() };
  } catch (error) {
    bastion?.close();
    throw error;
  }
}

/** The bastion itself waits for minutes where a server is silent: we do not. */
function openTunnel(bastion: Connection, target: SshTarget, options: ConnectOptions): Promise<Duplex> {
  const timeoutMs = options.timeoutMs ?? 15_000;
  const refused = (why: string, cause?: unknown): SlipwayError =>
    new SlipwayError(
      'E_SSH_UNREACHABLE',
      `${describeTarget(target)} cannot be reached through ${describeTarget(bastion.target)}: ${why}`,
      {
        cause,
        hint: 'check the address, and that the bastion may open connections to it (AllowTcpForwarding)',
      },
    );
  return new Promise((resolve, reject) => {
    let late = false;
    const timer = options.clock.after(timeoutMs, () => {
      late = true;
      reject(refused(`no answer within ${timeoutMs / 1000} s`));
    });
    bastion.client.forwardOut('127.0.0.1', 0, target.address, target.port, (error, channel) => {
      timer.cancel();
      if (error) reject(refused(error.message, error));
      else if (late) channel.destroy();
      else resolve(channel);
    });
  });
}

interface LoginParts {
  methods: ssh2.AnyAuthMethod[];
  hostKeyAlgorithms: string[];
  check: (key: Buffer) => Promise<void>;
  sock: Duplex | undefined;
}

function login(
  client: ssh2.Client,
  target: SshTarget,
  options: ConnectOptions,
  parts: LoginParts,
): Promise<void> {
  const timeoutMs = options.timeoutMs ?? 15_000;
  return new Promise((resolve, reject) => {
    let refusal: unknown;
    // ssh2's own limit covers the handshake, and would run out while a person reads a question.
    let timer = options.clock.after(timeoutMs, () => fail(new Error('no answer in time')));
    const fail = (error: unknown): void => {
      timer.cancel();
      options.signal?.removeEventListener('abort', aborted);
      client.destroy();
      reject(refusal === undefined ? explain(error, target, timeoutMs) : refusal);
    };
    const aborted = (): void => {
      refusal = options.signal?.reason;
      fail(refusal);
    };
    // The clock stands still meanwhile: a person may be reading the question.
    const judge = async (key: Buffer): Promise<boolean> => {
      try {
        await parts.check(key);
        timer = options.clock.after(timeoutMs, () => fail(new Error('no answer in time')));
        return true;
      } catch (error) {
        refusal = error;
        return false;
      }
    };
    options.signal?.addEventListener('abort', aborted, { once: true });
    client.once('ready', () => {
      timer.cancel();
      options.signal?.removeEventListener('abort', aborted);
      client.removeListener('error', fail);
      // A later error is followed by 'close', which is what everybody waits for.
      client.on('error', () => {});
      resolve();
    });
    client.once('error', fail);
    client.once('close', () => fail(new Error('the server closed the connection')));
    client.connect({
      ...(parts.sock ? { sock: parts.sock } : { host: target.address, port: target.port }),
      username: target.user,
      readyTimeout: 0,
      keepaliveInterval: 10_000,
      keepaliveCountMax: 3,
      algorithms: {
        cipher: CIPHERS,
        serverHostKey: parts.hostKeyAlgorithms as ssh2.ServerHostKeyAlgorithm[],
      },
      authHandler: nextMethod(parts.methods),
      hostVerifier: (key: Buffer, verify: (ok: boolean) => void) => {
        timer.cancel();
        void judge(key).then(verify);
      },
    });
  });
}

/** Hands out the methods one by one, leaving out those that the server does not take. */
function nextMethod(methods: readonly ssh2.AnyAuthMethod[]): ssh2.AuthHandlerMiddleware {
  const left = [...methods];
  return (offered: ssh2.AuthenticationType[] | null, _partial, next) => {
    for (;;) {
      const method = left.shift();
      if (method === undefined) {
        next(false as unknown as ssh2.AuthenticationType);
        return;
      }
      const wire = method.type === 'agent' ? 'publickey' : method.type;
      if (offered === null || offered.includes(wire)) {
        next(method);
        return;
      }
    }
  };
}

function explain(error: unknown, target: SshTarget, timeoutMs: number): SlipwayError {
  const where = describeTarget(target);
  const message = messageOf(error);
  if (/authentication methods failed|authentication failure/i.test(message)) {
    return new SlipwayError('E_SSH_AUTH', `${where} refuses the login`, {
      cause: error,
      hint: `check the user, and that its ~/.ssh/authorized_keys on the server has your key: "ssh ${target.user}@${target.address}" must work`,
    });
  }
  const reasons: Record<string, string> = {
    ECONNREFUSED: 'nothing listens on that port',
    EHOSTUNREACH: 'there is no way to that address',
    ENETUNREACH: 'there is no way to that network',
    ETIMEDOUT: 'it does not answer',
    ENOTFOUND: 'its name is not known',
    EAI_AGAIN: 'its name cannot be looked up',
  };
  const reason =
    reasons[codeOf(error) ?? ''] ??
    (message.includes('in time') ? `it does not answer within ${timeoutMs / 1000} s` : message);
  return new SlipwayError('E_SSH_UNREACHABLE', `${where} cannot be reached by SSH: ${reason}`, {
    cause: error,
    hint: 'check that the server is on, the address and port in the inventory, and the firewall',
  });
}
