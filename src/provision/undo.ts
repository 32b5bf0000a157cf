import { runScript, type Host, type RunOptions } from './host.ts';
import { LEDGER_DIRECTORY, parseLedger, type LedgerEntry, type LedgerState } from './ledger.ts';

/** One thing to put back as it was before our first change to it. */
export type UndoStep =
  | {
      kind: 'path';
      path: string;
      before: LedgerState;
      /** Only where the inventory from before the installation has the path. */
      ifStrangers?: true;
      /**
       * Packages that are purged after it: the file may be one of theirs. Where they are gone already, an undo that broke off
       * has been here, and what it has put back must not come a second time.
       */
      unlessPurged?: readonly string[];
    }
  | { kind: 'unit'; unit: string; before: { enabled: string; active: string } }
  | { kind: 'packages'; packages: string[] }
  | { kind: 'user'; user: string }
  | { kind: 'sysctl'; sysctl: string; before: string }
  | { kind: 'image'; image: string };

/**
 * What undoes a ledger: of everything that we changed, what stood there before the first change, newest first. To do
 * it twice, or again after it broke off, ends in the same state.
 */
export function planUndo(entries: readonly LedgerEntry[]): UndoStep[] {
  const steps = new Map<string, UndoStep>();
  for (const entry of entries) {
    const thing = thingOf(entry);
    const step = stepOf(entry);
    if (thing !== undefined && step !== undefined && !steps.has(thing)) steps.set(thing, step);
  }
  const newestFirst = [...steps.values()].toReversed().map((step, at, all): UndoStep => {
    if (step.kind !== 'path' || step.before.kind !== 'file') return step;
    const purged = all.slice(at).flatMap((later) => (later.kind === 'packages' ? later.packages : []));
    return purged.length === 0 ? step : { ...step, unlessPurged: purged };
  });
  // A package that is purged takes its configuration along, even where a stranger had written it before.
  const purges = newestFirst.some(({ kind }) => kind === 'packages');
  const again = newestFirst.flatMap((step): UndoStep[] =>
    purges && step.kind === 'path' && step.before.kind === 'file'
      ? [{ kind: 'path', path: step.path, before: step.before, ifStrangers: true }]
      : [],
  );
  return [...newestFirst, ...again];
}

/** Names what an entry is about, in words; undefined where it changed nothing. */
export function thingOf(entry: LedgerEntry): string | undefined {
  if ('path' in entry) return entry.path;
  if ('unit' in entry) return `the unit ${entry.unit}`;
  if ('user' in entry) return `the user ${entry.user}`;
  if ('sysctl' in entry) return `the setting ${entry.sysctl}`;
  if ('image' in entry) return `the image ${entry.image}`;
  if ('packages' in entry && entry.packages.length > 0) return `the packages ${entry.packages.join(' ')}`;
  return undefined;
}

function stepOf(entry: LedgerEntry): UndoStep | undefined {
  if ('path' in entry) return { kind: 'path', path: entry.path, before: entry.before };
  if ('unit' in entry) return { kind: 'unit', unit: entry.unit, before: entry.before };
  if ('user' in entry) return { kind: 'user', user: entry.user };
  if ('sysctl' in entry) return { kind: 'sysctl', sysctl: entry.sysctl, before: entry.before };
  if ('image' in entry) return { kind: 'image', image: entry.image };
  if ('packages' in entry) return { kind: 'packages', packages: entry.packages };
  return undefined;
}

/** Reads a server's ledger; none where nothing of ours is there. */
export async function readLedger(host: Host, options: RunOptions = {}): Promise<LedgerEntry[]> {
  const script = `cat '${LEDGER_DIRECTORY}/ledger.jsonl' 2>/dev/null || true\n`;
  return parseLedger(await runScript(host, 'reading the ledger', script, options));
}

/**
 * Puts everything back. Gives sentences about what could not be put back as it was: a package that others need by
 * now, a folder in which others have put something. Errors: ScriptError.
 */
export async function undo(
  host: Host,
  steps: readonly UndoStep[],
  options: RunOptions & {
    ledgerDirectory?: string;
    /** A line for the ledger when everything is put back; not where something is left. */
    record?: { time: string; step: string; change: string; undone: string };
  } = {},
): Promise<string[]> {
  const { ledgerDirectory = LEDGER_DIRECTORY, record, ...runOptions } = options;
  const units = steps.some(
    (step) => step.kind === 'unit' || ('path' in step && step.path.startsWith('/etc/systemd/')),
  );
  const reload = 'systemctl daemon-reload\nsystemctl reset-failed 2>/dev/null || true\n';
  const line = Buffer.from(`${JSON.stringify(record)}\n`).toString('base64');
  const note = `if [ -z "$incomplete" ]; then
  echo ${line} | base64 -d >>"$LEDGER/ledger.jsonl"
  sync "$LEDGER/ledger.jsonl"
fi
`;
  const script = [
    functions(ledgerDirectory),
    ...steps.map(lineOf),
    units ? reload : '',
    ...runningUnits(steps).map((unit) => `systemctl try-restart '${unit}' 2>/dev/null || true\n`),
    'sync\n',
    record === undefined ? '' : note,
  ].join('');
  const output = await runScript(host, 'undoing the ledger', script, { timeoutMs: 600_000, ...runOptions });
  return output
    .split('\n')
    .filter((line) => line.startsWith('left\t'))
    .map((line) => line.slice('left\t'.length));
}

/** Units of others that we gave settings of ours: where they run, they run with their own again. */
const runningUnits = (steps: readonly UndoStep[]): string[] => [
  ...new Set(
    steps.flatMap((step) => {
      const dropIn = /^\/etc\/systemd\/system\/([^/]+\.service)\.d\//;
      const unit = step.kind === 'path' ? dropIn.exec(step.path)?.[1] : undefined;
      return unit === undefined ? [] : [unit];
    }),
  ),
];

function lineOf(step: UndoStep): string {
  switch (step.kind) {
    case 'path': {
      const { path, before } = step;
      if (before.kind === 'absent') return `remove '${path}'\n`;
      if (before.kind === 'link') return `relink '${path}' '${before.target}'\n`;
      if (before.kind === 'file') {
        const condition = step.ifStrangers
          ? `strangers '${path}' && `
          : step.unlessPurged
            ? `{ any_installed ${step.unlessPurged.join(' ')} || strangers '${path}'; } && `
            : '';
        return `${condition}restore '${path}' ${before.sha256} ${before.mode} '${before.owner}'\n`;
      }
      return '';
    }
    case 'unit':
      return `unit '${step.unit}' '${step.before.enabled}' '${step.before.active}'\n`;
    case 'packages':
      return `purge ${step.packages.join(' ')}\n`;
    case 'user':
      return `remove_user '${step.user}'\n`;
    case 'image':
      return `remove_image '${step.image}'\n`;
    default:
      return `echo '${step.before}' >'/proc/sys/${step.sysctl.replaceAll('.', '/')}'\n`;
  }
}

/** Paths are ours: they hold no quote, backslash or newline. */
const functions = (ledger: string): string => `set -eu
LEDGER='${ledger}'
export DEBIAN_FRONTEND=noninteractive
strangers() { [ -f "$LEDGER/inventory" ] && grep -q "^path	$1	" "$LEDGER/inventory"; }
incomplete=
any_installed() {
  for name in "$@"; do
    case "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null || true)" in ''|not-installed) ;; *) return 0 ;; esac
  done
  return 1
}
left() { printf 'left\\t%s\\n' "$1"; incomplete=1; }
remove() {
  rm -f "$1.slipway-new" "$1".*.part
  if [ -L "$1" ] || [ -f "$1" ]; then rm -f "$1"
  elif [ -d "$1" ]; then rmdir "$1" 2>/dev/null || left "$1 is not empty: others have put something there"
  fi
}
relink() { ln -sfn "$2" "$1.slipway-new"; mv -fT "$1.slipway-new" "$1"; }
restore() {
  rm -f "$1.slipway-new"
  if [ -f "$1" ] && [ ! -L "$1" ] && echo "$2  $1" | sha256sum --check --status; then :
  elif [ ! -f "$LEDGER/before/$2" ]; then left "what stood at $1 was not kept"; return 0
  else
    mkdir -p "$(dirname "$1")"
    cp -p "$LEDGER/before/$2" "$1.slipway-new"
    sync "$1.slipway-new"
    mv -fT "$1.slipway-new" "$1"
  fi
  chmod "$3" "$1"; chown "$4" "$1"
}
unit() {
  case "$3" in active|activating|reloading) ;; *) systemctl stop "$1" 2>/dev/null || true ;; esac
  case "$2" in
    enabled) systemctl enable --quiet "$1" 2>/dev/null || true ;;
    *) systemctl disable --quiet "$1" 2>/dev/null || true ;;
  esac
}
remove_image() {
  command -v ctr >/dev/null && systemctl is-active --quiet containerd || return 0
  timeout 60 ctr -n k8s.io images rm "$1" </dev/null >/dev/null 2>&1 || true
}
remove_user() {
  if id "$1" >/dev/null 2>&1; then
    words=$(userdel "$1" 2>&1) || left "the user $1 could not be removed: $words"
  fi
  if getent group "$1" >/dev/null; then groupdel "$1" || true; fi
}
# What others need by now stays: apt would take it away with ours.
purge() {
  mine=
  for name in "$@"; do
    case "$(dpkg-query -W -f '\${db:Status-Status}' "$name" 2>/dev/null || true)" in
      ''|not-installed) ;;
      *) mine="$mine $name" ;;
    esac
  done
  [ -n "$mine" ] || return 0
  dpkg --configure -a </dev/null >&2
  goes=
  for name in $mine; do
    foreign=
    for other in $(apt-get -q --simulate purge $mine </dev/null 2>/dev/null | sed -n 's/^\\(Purg\\|Remv\\) \\([^ ]*\\) .*/\\2/p'); do
      case " $mine " in *" $other "*) ;; *) foreign=$other ;; esac
    done
    if [ -z "$foreign" ]; then goes=$mine; break; fi
    alone=$(apt-get -q --simulate purge "$name" </dev/null 2>/dev/null | sed -n 's/^\\(Purg\\|Remv\\) \\([^ ]*\\) .*/\\2/p')
    needed=
    for other in $alone; do case " $mine " in *" $other "*) ;; *) needed=$other ;; esac; done
    if [ -n "$needed" ]; then left "the package $name stays: $needed needs it"; else goes="$goes $name"; fi
  done
  [ -n "$goes" ] || return 0
  apt-get -q -o DPkg::Lock::Timeout=120 --yes purge $goes </dev/null >&2
}
`;
