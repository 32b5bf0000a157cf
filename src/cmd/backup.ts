import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { SlipwayError } from '../base/errors.ts';
import type { BackupHead } from '../bootstrap/backup/contents.ts';
import type { VerifyResult } from '../bootstrap/backup/verify.ts';
import {
  addOperatorOptions,
  printLine,
  readPassphrase,
  runOperation,
  type OperatorFlags,
} from './operator.ts';

interface BackupFlags extends Omit<OperatorFlags, 'output'> {
  output: string;
  json?: boolean;
}

const EXAMPLES = `
Examples:
  slipway backup --inventory cluster.yaml -o cluster.backup --passphrase-file passphrase
  slipway backup verify cluster.backup --passphrase-file passphrase
  slipway restore cluster.backup --inventory other-servers.yaml --passphrase-file passphrase

The file holds all objects at one revision, the certificates and keys of the state directory, the keys of the store and
the inventory, encrypted with the passphrase. Who has file and passphrase has the cluster. Data of pods is not in it.

Exit codes:
  0  the backup is made
  2  no backup was made; the cluster is as it was
  130  interrupted

JSON: {"type":"done","file":"…","bytes":123,"objects":456,"revision":789,"from":"etcd of cp1","seconds":1.2}`;

export function backupCommand(): Command {
  const command = new Command('backup').description('copy the whole cluster into one encrypted file');
  const create = command.command('create', { isDefault: true }).description('make a backup (the default)');
  addOperatorOptions(create, 'file')
    .requiredOption('-o, --output <file>', 'the file to write; it is replaced when the new one is whole')
    .addHelpText('after', EXAMPLES)
    .action(makeBackup);
  command
    .command('verify')
    .description('rehearse a restore of a backup on this machine, and tell what is in it')
    .argument('<file>', 'the backup')
    .option('--passphrase-file <file>', 'what the backup was encrypted with (or SLIPWAY_PASSPHRASE)')
    .option('--json', 'tell the result as JSON')
    .addHelpText('after', VERIFY_HELP)
    .action(verify);
  return command.addHelpText('after', EXAMPLES);
}

const VERIFY_HELP = `
Example:
  slipway backup verify cluster.backup --passphrase-file passphrase

Fills a store in a temporary folder, reads every object back, opens every Secret and every key. No server is asked.

Exit codes:
  0  the backup is good
  1  it opens, and something in it is wrong: each is listed
  2  it does not open: the passphrase is another, or the file is damaged`;

async function makeBackup(given: BackupFlags): Promise<void> {
  const { readFile } = await import('node:fs/promises');
  const path = resolve(given.output);
  const flags: OperatorFlags = { ...given, output: given.json ? 'json' : 'text' };
  await runOperation(
    flags,
    async (options) => {
      const { backup } = await import('../bootstrap/backup/backup.ts');
      return backup({ ...options, path, inventoryText: await readFile(flags.inventory, 'utf8') });
    },
    ({ bytes, from, objects, revision }, durationMs) => {
      const seconds = Number((durationMs / 1000).toFixed(1));
      if (given.json)
        printLine(JSON.stringify({ type: 'done', file: path, bytes, objects, revision, from, seconds }));
      else
        printLine(
          `${path}: ${objects} objects at revision ${revision} of ${from}, ${bytes} bytes, in ${seconds} s`,
        );
    },
  );
}

async function verify(path: string, flags: { passphraseFile?: string; json?: boolean }): Promise<void> {
  const [{ verifyBackup }, { requirePassphrase }] = await Promise.all([
    import('../bootstrap/backup/verify.ts'),
    import('../bootstrap/backup/backup.ts'),
  ]);
  try {
    const passphrase = requirePassphrase(await readPassphrase(flags));
    const opener = await makeOpener();
    tell(
      await verifyBackup({ path: resolve(path), passphrase, clock: systemClock, opener }),
      flags.json === true,
    );
  } catch (error) {
    if (!(error instanceof SlipwayError)) throw error;
    process.stderr.write(`error: ${error.message} [${error.code}]\n`);
    if (error.hint) process.stderr.write(`hint: ${error.hint}\n`);
    process.exitCode = 2;
  }
}

/** The API server's own code opens the values, with the configuration that the installer would give it. */
async function makeOpener(): Promise<
  (head: BackupHead) => ((key: string, value: Buffer) => Buffer) | undefined
> {
  const [{ parseEncryptionConfig }, { encryptionText }, { ENCRYPTION_KEYS }] = await Promise.all([
    import('../apiserver/encryption/encryption-config.ts'),
    import('../bootstrap/components/files.ts'),
    import('../bootstrap/encryption/keys.ts'),
  ]);
  return (head) => {
    const keys = head.files[ENCRYPTION_KEYS];
    if (keys === undefined) return undefined;
    const config = parseEncryptionConfig(encryptionText(keys));
    return (key, value) => {
      const transformer = config.transformerFor(key.split('/')[2] ?? '');
      if (transformer) return transformer.open(key, value).value;
      throw new SlipwayError('E_DECRYPT', 'it is encrypted, and no rule says how');
    };
  };
}

function tell(result: VerifyResult, json: boolean): void {
  process.exitCode = result.problems.length === 0 ? 0 : 1;
  if (json) {
    printLine(JSON.stringify({ type: 'verified', ...result }));
    return;
  }
  const { bytes, certificates, cluster, encrypted, kinds, madeAt, objects, release, revision, seconds } =
    result;
  printLine(`${cluster}, ${madeAt}, slipway ${release}: ${bytes} bytes, revision ${revision}`);
  for (const [kind, count] of Object.entries(kinds).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    printLine(`  ${String(count).padStart(7)} ${kind}`);
  }
  printLine(
    `${objects} objects restored and read, ${encrypted} decrypted, ${certificates} certificates with their keys, in ${seconds} s`,
  );
  for (const problem of result.problems) printLine(`! ${problem}`);
}
