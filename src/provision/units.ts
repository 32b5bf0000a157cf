import { runScript, type Host } from './host.ts';
import { ledgerFunctions } from './ledger.ts';

/** What systemd says about a unit, and which configuration its process was started with. */
export interface UnitFacts {
  /** 'loaded', 'not-found' … */
  loadState: string;
  /** 'active', 'activating', 'failed', 'inactive' … */
  activeState: string;
  subState: string;
  /** 'enabled', 'disabled', '' … */
  unitFileState: string;
  mainPid: number;
  restarts: number;
  /** SLIPWAY_CONFIG of the running process; undefined where it does not run or has none. */
  config: string | undefined;
  /** Whether its file was changed since systemd read it. */
  needsReload: boolean;
  /** The file that its process runs, as the kernel says it: with ' (deleted)' behind it where that was replaced. */
  executable: string | undefined;
}

/**
 * The environment variable by which a running process tells what it was started with: a hash over its unit, its
 * files and its release. A rerun after a crash between writing and restarting sees the difference.
 */
const CONFIG_VARIABLE = 'SLIPWAY_CONFIG';

/** A shell function for the batched probe: `unit NAME` prints tab-separated facts. */
export const UNIT_PROBE = `
unit() {
  values=$(systemctl show "$1" --property=LoadState,ActiveState,SubState,UnitFileState,MainPID,NRestarts,NeedDaemonReload 2>/dev/null | tr '\\n' ' ')
  pid=\${values##*MainPID=}; pid=\${pid%% *}
  config= executable=
  if [ "$pid" -gt 0 ] 2>/dev/null; then
    config=$(tr '\\0' '\\n' 2>/dev/null <"/proc/$pid/environ" | sed -n 's/^${CONFIG_VARIABLE}=//p')
    executable=$(readlink "/proc/$pid/exe" 2>/dev/null)
  fi
  printf 'unit\\t%s\\t%s\\t%s\\t%s\\n' "$1" "$values" "$config" "$executable"
}
`;

/** Reads what `unit` printed. */
export function parseUnit(values: string, config: string, executable = ''): UnitFacts {
  const field = (name: string): string => new RegExp(`(?:^| )${name}=(\\S*)`).exec(values)?.[1] ?? '';
  return {
    loadState: field('LoadState'),
    activeState: field('ActiveState'),
    subState: field('SubState'),
    unitFileState: field('UnitFileState'),
    mainPid: Number(field('MainPID')) || 0,
    restarts: Number(field('NRestarts')) || 0,
    needsReload: field('NeedDaemonReload') === 'yes',
    config: config === '' ? undefined : config,
    executable: executable === '' ? undefined : executable,
  };
}

/** Whether the file that the unit's process was started from has been replaced since. */
export const runsReplacedFile = (facts: UnitFacts): boolean =>
  facts.executable?.endsWith(' (deleted)') === true;

/** Whether the unit runs, starts at boot, and was started with this configuration. */
export const unitIsCurrent = (facts: UnitFacts | undefined, config: string): boolean =>
  facts?.activeState === 'active' && facts.unitFileState === 'enabled' && facts.config === config;

/** Enables a unit and starts it, or restarts it where it runs: afterwards it runs what its files say now. */
export async function startUnit(
  host: Host,
  change: string,
  unit: string,
  signal?: AbortSignal,
): Promise<void> {
  const script = `${ledgerFunctions(change)}
enabled=$(systemctl is-enabled '${unit}' 2>/dev/null || true)
active=$(systemctl is-active '${unit}' 2>/dev/null || true)
ledger "\\"unit\\":\\"${unit}\\",\\"before\\":{\\"enabled\\":\\"$enabled\\",\\"active\\":\\"$active\\"}"
sync "$LEDGER/ledger.jsonl"
# One reload: enabling alone would make another one.
systemctl enable --no-reload --quiet '${unit}'
systemctl daemon-reload
systemctl reset-failed '${unit}' 2>/dev/null || true
if ! systemctl restart '${unit}'; then
  echo "the last lines of its journal:" >&2
  journalctl --unit '${unit}' --lines 8 --no-pager --output cat >&2 || true
  exit 1
fi
`;
  await runScript(host, change, script, { timeoutMs: 120_000, ...(signal ? { signal } : {}) });
}

/** The last lines of a unit's journal, for the message of a failure. Never rejects for the journal's sake. */
export async function unitJournal(host: Host, unit: string, lines = 8): Promise<string> {
  const { stdout } = await host.tryRun(
    `journalctl --unit '${unit}' --lines ${lines} --no-pager --output cat 2>&1\n`,
  );
  return stdout.trim();
}
