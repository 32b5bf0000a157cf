/** How one server is reached. Passwords and passphrases are values here, never in files of ours or in logs. */
export interface SshTarget {
  /** The server's name, for messages. */
  name: string;
  address: string;
  port: number;
  user: string;
  /** Private key files, tried in order. Where there are none the agent and the usual files are tried. */
  keyFiles: readonly string[];
  /** The agent's socket (SSH_AUTH_SOCK), or undefined for none. */
  agent?: string | undefined;
  password?: string | undefined;
  passphrase?: string | undefined;
  /** For sudo where the user is not root; the login password where absent. */
  sudoPassword?: string | undefined;
  /** 'SHA256:…' that the server's key must have; known_hosts is then not asked. */
  hostKey?: string | undefined;
  bastion?: SshTarget | undefined;
}

/** What connecting may ask a person. Absent: there is nobody to ask, and the answer is no. */
export interface SshQuestions {
  acceptHostKey?(target: SshTarget, fingerprint: string): Promise<boolean>;
  passphrase?(keyFile: string): Promise<string | undefined>;
  password?(target: SshTarget): Promise<string | undefined>;
  sudoPassword?(target: SshTarget): Promise<string | undefined>;
}

/** '<name> (<user>@<address>:<port>)' */
export const describeTarget = (target: SshTarget): string =>
  `${target.name} (${target.user}@${target.address}${target.port === 22 ? '' : `:${target.port}`})`;
