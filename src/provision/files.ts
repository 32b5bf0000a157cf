import { createHash } from 'node:crypto';
import { runScript, type Host } from './host.ts';
import { LEDGER_DIRECTORY, ledgerFunctions } from './ledger.ts';

/** A file as it must be on a server. */
export interface FileSpec {
  path: string;
  content: string;
  /** 0o644 and the like. */
  mode: number;
  /** 'user:group' by name. Default 'root:root'. */
  owner?: string;
}

/** A symbolic link as it must be. */
export interface LinkSpec {
  path: string;
  target: string;
}

export const sha256 = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex');

interface PutOptions {
  ledgerDirectory?: string;
  signal?: AbortSignal;
}

/**
 * Writes files: each to a temporary name, hashed, synced, then renamed, so that a reader or a power cut sees the
 * old or the new one. The ledger is synced before the first rename. `change` is the sentence for the ledger.
 */
export async function putFiles(
  host: Host,
  change: string,
  files: readonly FileSpec[],
  options: PutOptions = {},
): Promise<void> {
  if (files.length === 0) return;
  const stage = files.map((file) => {
    const owner = file.owner ?? 'root:root';
    const mode = file.mode.toString(8);
    const hash = sha256(file.content);
    const body = Buffer.from(file.content, 'utf8').toString('base64').replace(/.{76}/g, '$&\n');
    return `stage '${file.path}' ${mode} '${owner}' ${hash} <<'END_OF_FILE'\n${body}\nEND_OF_FILE\n`;
  });
  const paths = files.map((file) => `'${file.path}'`).join(' ');
  const folders = [...new Set(files.map((file) => `'${file.path.replace(/\/[^/]*$/, '') || '/'}'`))].join(
    ' ',
  );
  const script = `${ledgerFunctions(change, options.ledgerDirectory ?? LEDGER_DIRECTORY)}
stage() {
  make_directory "$(dirname "$1")"
  temporary="$1.slipway-new"
  rm -f "$temporary"
  (umask 077; base64 -d >"$temporary")
  chown "$3" "$temporary"
  chmod "$2" "$temporary"
  echo "$4  $temporary" | sha256sum --check --status || { echo "$1 did not arrive whole" >&2; exit 1; }
  sync "$temporary"
  ledger "\\"path\\":\\"$1\\",\\"before\\":$(before "$1"),\\"after\\":{\\"kind\\":\\"file\\",\\"sha256\\":\\"$4\\",\\"mode\\":\\"$2\\",\\"owner\\":\\"$3\\"}"
}
${stage.join('')}sync "$LEDGER/ledger.jsonl"
for path in ${paths}; do mv -fT "$path.slipway-new" "$path"; done
sync ${folders}
`;
  await runScript(host, change, script, options.signal ? { signal: options.signal } : {});
}

/** Points symbolic links, each replaced atomically. */
export async function putLinks(
  host: Host,
  change: string,
  links: readonly LinkSpec[],
  options: PutOptions = {},
): Promise<void> {
  if (links.length === 0) return;
  const lines = links.map(({ path, target }) => `point '${path}' '${target}'\n`);
  const script = `${ledgerFunctions(change, options.ledgerDirectory ?? LEDGER_DIRECTORY)}
point() {
  make_directory "$(dirname "$1")"
  ledger "\\"path\\":\\"$1\\",\\"before\\":$(before "$1"),\\"after\\":{\\"kind\\":\\"link\\",\\"target\\":\\"$2\\"}"
  sync "$LEDGER/ledger.jsonl"
  ln -sfn "$2" "$1.slipway-new"
  mv -fT "$1.slipway-new" "$1"
}
${lines.join('')}`;
  await runScript(host, change, script, options.signal ? { signal: options.signal } : {});
}

/** Removes files and links that are there; each is recorded with its content kept where it was not ours. */
export async function removeFiles(
  host: Host,
  change: string,
  paths: readonly string[],
  options: PutOptions = {},
): Promise<void> {
  if (paths.length === 0) return;
  const script = `${ledgerFunctions(change, options.ledgerDirectory ?? LEDGER_DIRECTORY)}
for path in ${paths.map((path) => `'${path}'`).join(' ')}; do
  if [ -e "$path" ] || [ -L "$path" ]; then
    ledger "\\"path\\":\\"$path\\",\\"before\\":$(before "$path"),\\"after\\":{\\"kind\\":\\"absent\\"}"
    sync "$LEDGER/ledger.jsonl"
    rm -f "$path"
  fi
done
`;
  await runScript(host, change, script, options.signal ? { signal: options.signal } : {});
}

/** Makes directories with their mode and owner; existing ones are brought to them. */
export async function putDirectories(
  host: Host,
  change: string,
  directories: ReadonlyArray<{ path: string; mode: number; owner?: string }>,
  options: PutOptions = {},
): Promise<void> {
  if (directories.length === 0) return;
  const lines = directories.map(
    ({ path, mode, owner }) =>
      `make_directory '${path}'\nchown '${owner ?? 'root:root'}' '${path}'\nchmod ${mode.toString(8)} '${path}'\n`,
  );
  const script = ledgerFunctions(change, options.ledgerDirectory ?? LEDGER_DIRECTORY) + lines.join('');
  await runScript(host, change, script, options.signal ? { signal: options.signal } : {});
}
