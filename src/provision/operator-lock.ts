import { LOCK_FILE, LOCK_FOLDER, type Operator } from './fence.ts';
import { runScript, ScriptError, type Host } from './host.ts';

/** How the script ends that finds another holder. */
const HELD = 75;

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
 * the operator says so. Until the lock is given back only scripts with this token may change the server.
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
if [ -f ${LOCK_FILE} ]; then
  stands=$(head -n 1 ${LOCK_FILE})
  if [ "$stands" != '${token}' ] && [ "$stands" != '${over ?? ''}' ]; then cat ${LOCK_FILE}; exit ${HELD}; fi
fi
printf '%s\\n%s\\n' '${token}' '${text}' >${LOCK_FILE}.new
mv -f ${LOCK_FILE}.new ${LOCK_FILE}
`;
  const result = await host.tryRun(script);
  if (result.code === 0) return undefined;
  if (result.code !== HELD) throw new ScriptError(host, 'taking the lock', result);
  const [stands = '', encoded = ''] = result.stdout.trim().split('\n');
  return { token: stands, operator: JSON.parse(Buffer.from(encoded, 'base64').toString()) as Operator };
}

/** Gives the lock back where it is still ours. */
export async function releaseLock(host: Host, token: string): Promise<void> {
  const script = `[ -e ${LOCK_FILE} ] || exit 0
${GUARD}
[ "$(head -n 1 ${LOCK_FILE} 2>/dev/null)" != '${token}' ] || rm -rf ${LOCK_FOLDER}
`;
  await runScript(host, 'giving the lock back', script);
}
