import { INVENTORY_FUNCTION } from './server-inventory.ts';

/**
 * The ledger of a server: one JSON line for each change of ours, written and synced before the change, with what
 * stood there before. What was not ours is kept beside it, so that a reset can put it back, newest change first.
 */
export const LEDGER_DIRECTORY = '/var/lib/slipway/ledger';

/** What stood at a path. */
export type LedgerState =
  | { kind: 'absent' }
  | { kind: 'directory' }
  | { kind: 'link'; target: string }
  | { kind: 'file'; sha256: string; mode: string; owner: string };

export type LedgerEntry = {
  time: string;
  /** The change in the operator's journal; empty or absent where there was none. */
  step?: string;
  change: string;
} & (
  | { path: string; before: LedgerState; after: LedgerState }
  | { packages: string[] }
  | { user: string; before: 'absent' }
  | { sysctl: string; before: string }
  | { unit: string; before: { enabled: string; active: string } }
  /** Imported into containerd for the kubelet. */
  | { image: string; before: 'absent' }
  /** Everything of that step was put back. */
  | { undone: string }
);

/**
 * Shell functions for scripts that change a server. `ledger JSON` appends an entry; `before PATH` prints what
 * stands there and keeps a copy of a stranger's file; `make_directory PATH` makes missing parents, recorded. The
 * first script of all takes the server's inventory before it changes anything.
 * Paths are ours: they hold no quote, backslash or newline.
 */
export function ledgerFunctions(change: string, directory = LEDGER_DIRECTORY): string {
  const changeJson = JSON.stringify(change).replaceAll("'", `'\\''`);
  return `set -eu
LEDGER=${directory}
CHANGE='${changeJson}'
${INVENTORY_FUNCTION}
if [ ! -e "$LEDGER/inventory" ] && [ ! -s "$LEDGER/ledger.jsonl" ]; then
  taken=$(mktemp)
  inventory >"$taken"
  mkdir -p "$LEDGER"
  mv "$taken" "$LEDGER/inventory"
  sync "$LEDGER/inventory"
fi
mkdir -p "$LEDGER/before"
chmod 700 "$LEDGER"
touch "$LEDGER/ledger.jsonl"
# A line that a power cut tore must not swallow the next one.
[ -z "$(tail -c 1 "$LEDGER/ledger.jsonl")" ] || echo >>"$LEDGER/ledger.jsonl"
ledger() {
  printf '{"time":"%s","step":"%s","change":%s,%s}\\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "\${SLIPWAY_STEP-}" "$CHANGE" "$1" >>"$LEDGER/ledger.jsonl"
}
before() {
  if [ -L "$1" ]; then printf '{"kind":"link","target":"%s"}' "$(readlink "$1")"
  elif [ -d "$1" ]; then printf '{"kind":"directory"}'
  elif [ -e "$1" ]; then
    hash=$(sha256sum <"$1"); hash=\${hash%% *}
    if ! grep -qF "\\"path\\":\\"$1\\"" "$LEDGER/ledger.jsonl" && [ ! -e "$LEDGER/before/$hash" ]; then
      cp -p "$1" "$LEDGER/before/$hash.new"
      sync "$LEDGER/before/$hash.new"
      mv "$LEDGER/before/$hash.new" "$LEDGER/before/$hash"
    fi
    printf '{"kind":"file","sha256":"%s","mode":"%s","owner":"%s"}' "$hash" "$(stat -c %a "$1")" "$(stat -c %U:%G "$1")"
  else printf '{"kind":"absent"}'
  fi
}
make_directory() {
  if [ -d "$1" ]; then return; fi
  make_directory "$(dirname "$1")"
  ledger "\\"path\\":\\"$1\\",\\"before\\":{\\"kind\\":\\"absent\\"},\\"after\\":{\\"kind\\":\\"directory\\"}"
  sync "$LEDGER/ledger.jsonl"
  mkdir "$1"
}
`;
}

/**
 * Reads a ledger's text. A line that a power cut tore is dropped: it was not synced, so its change never began. A whole line
 * that cannot be read is an error.
 */
export function parseLedger(text: string): LedgerEntry[] {
  const lines = text.split('\n').filter((line) => line.endsWith('}'));
  return lines.flatMap((line) => {
    try {
      return [JSON.parse(line) as LedgerEntry];
    } catch (error) {
      if (isTorn(line)) return [];
      throw error;
    }
  });
}

/** Whether braces are still open at the end of a line: it was torn inside, behind one that closes. */
const isTorn = (line: string): boolean => line.split('{').length > line.split('}').length;
