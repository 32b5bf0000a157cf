import { SlipwayError } from '../base/errors.ts';
import { BUSY_FILE, LOCK_FILE, LOCK_FOLDER, type Operator } from './fence.ts';
import { runScript, ScriptError, type Host } from './host.ts';

/** How the script ends that finds another holder. */
const HELD = 75;
/** How the script ends that waits in vain for what the replaced holder began. */
const BUSY = 76;
const BUSY_SECONDS = 300;

/** One at a time looks at the lock and changes it; who gives it back takes the guard away, so that others take a new one. */
const GUARD = `while :; do
  mkdir -p ${LOCK_FOLDER}
  chmod 700 ${LOCK_FOLDER}
  exec 9>${LOCK_FOLDER}/guard
  flock 9
  [ ${LOCK_FOLDER}/guard -ef /proc/self/fd/9 ] && break
done`;

export interface HeldLock {
  token: string;
  operator: Operator;
}

/**
 * Takes the lock of a server, or gives who has it. `over` is the token of a holder that may be replaced: it is dead, or
 * the operator says so. Until the lock is given back only scripts with this token may change the server, and what the
 * replaced holder had begun there has ended: scripts outlive a run that was killed. E_LOCKED where it does not end.
 */
export async function takeLock(
  host: Host,
  token: string,
  operator: Operator,
  over?: string,
): Promise<HeldLock | undefined> {
  const text = Buffer.from(JSON.stringify(operator)).toString('base64');
  const script = `set -eu
${GUARD}
taken_over=
if [ -f ${LOCK_FILE} ]; then
  stands=$(head -n 1 ${LOCK_FILE})
  if [ "$stands" != '${token}' ] && [ "$stands" != '${over ?? ''}' ]; then cat ${LOCK_FILE}; exit ${HELD}; fi
  taken_over=1
fi
printf '%s\\n%s\\n' '${token}' '${text}' >${LOCK_FILE}.new
mv -f ${LOCK_FILE}.new ${LOCK_FILE}
if [ -n "$taken_over" ]; then
  exec 8>>${BUSY_FILE}
  flock -x -w ${BUSY_SECONDS} 8 || exit ${BUSY}
fi
`;
  const result = await host.tryRun(script, { timeoutMs: (BUSY_SECONDS + 60) * 1000 });
  if (result.code === 0) return undefined;
  if (result.code === BUSY) {
    throw new SlipwayError(
      'E_LOCKED',
      `${host.name}: a script of the run before this one, which is dead, still runs there after ${BUSY_SECONDS} s`,
      {
        hint: `look at what holds ${BUSY_FILE} there ("fuser ${BUSY_FILE}"), then run the same command again`,
      },
    );
  }
  if (result.code !== HELD) throw new ScriptError(host, 'taking the lock', result);
  return parseLock(result.stdout);
}

/** Who holds the lock of a server; undefined where nobody does. */
export async function readServerLock(host: Host): Promise<HeldLock | undefined> {
  const text = await runScript(host, 'looking at the lock', `cat ${LOCK_FILE} 2>/dev/null || true\n`, {
    timeoutMs: 10_000,
  });
  return text.trim() === '' ? undefined : parseLock(text);
}

function parseLock(text: string): HeldLock {
  const [token = '', encoded = ''] = text.trim().split('\n');
  return { token, operator: JSON.parse(Buffer.from(encoded, 'base64').toString()) as Operator };
}

/** Takes the lock of a dead holder away, unless what it began still runs there: who takes the lock next waits for that. */
export async function releaseDeadLock(host: Host, token: string): Promise<void> {
  const script = `[ -e ${LOCK_FILE} ] || exit 0
${GUARD}
exec 8>>${BUSY_FILE}
flock -n -x 8 || exit 0
[ "$(head -n 1 ${LOCK_FILE} 2>/dev/null)" != '${token}' ] || rm -rf ${LOCK_FOLDER}
`;
  await runScript(host, 'taking a dead run’s lock away', script);
}

/** Gives the lock back where it is still ours. */
export async function releaseLock(host: Host, token: string): Promise<void> {
  const script = `[ -e ${LOCK_FILE} ] || exit 0
${GUARD}
[ "$(head -n 1 ${LOCK_FILE} 2>/dev/null)" != '${token}' ] || rm -rf ${LOCK_FOLDER}
`;
  await runScript(host, 'giving the lock back', script);
}
