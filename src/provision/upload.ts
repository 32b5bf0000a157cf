import { createReadStream } from 'node:fs';
import { SlipwayError } from '../base/errors.ts';
import { runScript, ScriptError, type Host } from './host.ts';
import { FENCED, lockLost } from './fence.ts';
import { LEDGER_DIRECTORY, ledgerFunctions } from './ledger.ts';

export interface Upload {
  /** A local file: gzip-compressed, or sent as it is. */
  source: string;
  sourceBytes: number;
  compressed: boolean;
  /** Of the file as it must be on the server. */
  sha256: string;
  target: string;
  mode: number;
  /** The sentence for the ledger. */
  change: string;
  /** Where the server may have the same file, unpacked, for a while. */
  copyFrom?: string;
}

/** What is left of an interrupted upload, and whether the target is complete. */
export interface UploadOptions {
  /** Told of the bytes that have been sent so far. */
  progress?: (sent: number, total: number) => void;
  signal?: AbortSignal;
  ledgerDirectory?: string;
}

/**
 * Brings one large file to a server. What arrives is collected in '<target>.<hash>.part'; a lost connection is
 * resumed there by the next call. The file is unpacked, checked by its SHA-256, synced and renamed: nothing
 * partial ever stands at the target. Returns false where the target had that content already.
 */
export async function upload(host: Host, file: Upload, options: UploadOptions = {}): Promise<boolean> {
  const part = `${file.target}.${file.sha256.slice(0, 16)}.part`;
  const own = `${file.target}.own.part`;
  const signal = options.signal ? { signal: options.signal } : {};
  const look = `
if [ -f '${file.target}' ] && echo '${file.sha256}  ${file.target}' | sha256sum --check --status; then echo done
elif [ -f '${part}' ]; then
  # Who was taken over may still be sending: into a file that has no name any more.
  cp '${part}' '${own}'
  mv -fT '${own}' '${part}'
  stat -c %s '${part}'
else echo 0; fi
`;
  const state = (await runScript(host, `looking for ${file.target}`, look, signal)).trim();
  if (state === 'done') return false;
  const ledgerDirectory = options.ledgerDirectory ?? LEDGER_DIRECTORY;
  if (file.copyFrom !== undefined && (await copyOver(host, file, file.copyFrom, options))) return true;
  let offset = Number(state);
  if (!(offset >= 0 && offset <= file.sourceBytes)) offset = 0;
  if (offset === 0) {
    const prepare = `${ledgerFunctions(file.change, ledgerDirectory)}make_directory "$(dirname '${file.target}')"\nrm -f '${part}'\n: >'${part}'\n`;
    await runScript(host, file.change, prepare, signal);
  }
  if (offset < file.sourceBytes) {
    const result = await host.pipe(`cat >>'${part}'`, counted(file, offset, options), {
      timeoutMs: 1_800_000,
      ...signal,
    });
    if (result.code !== 0) throw new ScriptError(host, file.change, result);
  }
  await finish(host, file, part, ledgerDirectory, signal);
  return true;
}

/** Takes what is on the server already; false where it is not, or not any more, or not the same. */
async function copyOver(host: Host, file: Upload, from: string, options: UploadOptions): Promise<boolean> {
  const directory = options.ledgerDirectory ?? LEDGER_DIRECTORY;
  const temporary = `${file.target}.slipway-new`;
  const script = `${ledgerFunctions(file.change, directory)}
[ -f '${from}' ] || exit 65
make_directory "$(dirname '${file.target}')"
if ! cp '${from}' '${temporary}' || ! echo '${file.sha256}  ${temporary}' | sha256sum --check --status; then
  rm -f '${temporary}'
  exit 65
fi
${putInPlace(file)}rm -f '${file.target}'.*.part
`;
  const result = await host.tryRun(script, {
    timeoutMs: 300_000,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  if (result.code === FENCED) throw lockLost(host, result.stdout);
  return result.code === 0;
}

/** What is whole gets its mode, stands in the ledger, and takes the target's place. */
function putInPlace({ target, sha256, mode }: Upload): string {
  const temporary = `${target}.slipway-new`;
  return `chmod ${mode.toString(8)} '${temporary}'
sync '${temporary}'
ledger "\\"path\\":\\"${target}\\",\\"before\\":$(before '${target}'),\\"after\\":{\\"kind\\":\\"file\\",\\"sha256\\":\\"${sha256}\\",\\"mode\\":\\"${mode.toString(8)}\\",\\"owner\\":\\"root:root\\"}"
sync "$LEDGER/ledger.jsonl"
mv -fT '${temporary}' '${target}'
sync "$(dirname '${target}')"
`;
}

async function* counted(file: Upload, offset: number, options: UploadOptions): AsyncGenerator<Uint8Array> {
  let sent = offset;
  for await (const chunk of createReadStream(file.source, { start: offset, highWaterMark: 1 << 20 })) {
    const bytes = chunk as Buffer;
    yield bytes;
    sent += bytes.length;
    options.progress?.(sent, file.sourceBytes);
  }
}

async function finish(
  host: Host,
  file: Upload,
  part: string,
  ledgerDirectory: string,
  options: { signal?: AbortSignal },
): Promise<void> {
  const temporary = `${file.target}.slipway-new`;
  const unpack = file.compressed ? `gzip -dc '${part}' >'${temporary}'` : `mv -fT '${part}' '${temporary}'`;
  const script = `${ledgerFunctions(file.change, ledgerDirectory)}
if ! ${unpack} || ! echo '${file.sha256}  ${temporary}' | sha256sum --check --status; then
  rm -f '${part}' '${temporary}'
  exit 65
fi
${putInPlace(file)}rm -f '${part}'
`;
  const result = await host.tryRun(script, { timeoutMs: 300_000, ...options });
  if (result.code === FENCED) throw lockLost(host, result.stdout);
  if (result.code === 65 && !/No space left/i.test(result.stderr)) {
    throw new SlipwayError(
      'E_UPLOAD',
      `${host.name}: ${file.target} did not arrive whole, and was thrown away`,
      {
        hint: 'run the same command again; if it happens twice, check the memory and disk of the server',
      },
    );
  }
  if (result.code !== 0) throw new ScriptError(host, file.change, result);
}
