import { SlipwayError } from '../base/errors.ts';

/** In /run: a server that was restarted has no operator. */
export const LOCK_FOLDER = '/run/slipway-operator';
export const LOCK_FILE = `${LOCK_FOLDER}/lock`;
/** Every fenced script shares its lock while it runs, so that who takes over can wait for what still runs. */
export const BUSY_FILE = `${LOCK_FOLDER}/busy`;
/** How a script ends that finds another operator's token. */
export const FENCED = 66;

/** Who works on a server. */
export interface Operator {
  user: string;
  /** Name of the operator's machine. */
  host: string;
  pid: number;
  /** 'up', 'reset' … */
  command: string;
  /** RFC 3339. */
  since: string;
}

/** Lines before a script of a server that is locked (FencedHost): they end it where another operator has taken over. */
export const FENCE = `if [ -d ${LOCK_FOLDER} ]; then exec 8>>${BUSY_FILE}; flock -s 8; fi
if [ -n "\${SLIPWAY_LOCK-}" ] && [ "$(head -n 1 ${LOCK_FILE} 2>/dev/null)" != "$SLIPWAY_LOCK" ]; then
  sed -n 2p ${LOCK_FILE} 2>/dev/null
  exit ${FENCED}
fi`;

/** What a fenced script printed, as an error. */
export function lockLost(host: { name: string }, stdout: string): SlipwayError {
  let who = 'the server was restarted, or somebody removed the lock';
  try {
    const operator = JSON.parse(Buffer.from(stdout.trim(), 'base64').toString()) as Operator;
    who = `${describeOperator(operator)} has taken over`;
  } catch {
    // Nobody holds it.
  }
  return new SlipwayError('E_LOCK_LOST', `${host.name}: the lock of this run is gone: ${who}`, {
    hint: 'wait for the other one to end, then run the same command again',
  });
}

export const describeOperator = ({ user, host, pid, command, since }: Operator): string =>
  `${user}@${host} (slipway ${command}, process ${pid}, since ${since})`;
