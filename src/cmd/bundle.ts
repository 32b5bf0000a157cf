import { resolve } from 'node:path';
import { Command } from 'commander';
import { systemClock } from '../base/clock.ts';
import { processSignal } from '../base/lifecycle.ts';

interface BundleFlags {
  output: string;
  suite: string;
  arch: string;
  mirror: string;
  securityMirror?: string;
  keyring: string;
}

const EXAMPLES = `
Examples:
  slipway bundle -o packages.tar
  slipway bundle -o packages.tar --suite trixie
  slipway up --inventory cluster.yaml --bundle packages.tar

Exit codes:
  0  the file is written
  1  it failed; the message says why
  2  wrong usage`;

const ARCHITECTURES: Record<string, string> = { x64: 'amd64', arm64: 'arm64' };

export function bundleCommand(): Command {
  return new Command('bundle')
    .description('download the packages that servers need into one file, for servers without a repository')
    .requiredOption('-o, --output <file>', 'the file to write')
    .option('--suite <name>', 'code name of the servers’ Debian release', 'bookworm')
    .option('--arch <name>', 'architecture of the servers', ARCHITECTURES[process.arch] ?? process.arch)
    .option('--mirror <url>', 'repository', 'http://deb.debian.org/debian')
    .option(
      '--security-mirror <url>',
      'repository of security updates',
      'http://deb.debian.org/debian-security',
    )
    .option(
      '--keyring <file>',
      'keys that the repository is signed with',
      '/usr/share/keyrings/debian-archive-keyring.gpg',
    )
    .addHelpText('after', EXAMPLES)
    .action(async (flags: BundleFlags) => {
      const [{ makeBundle }, { ALL_PACKAGES }] = await Promise.all([
        import('../bootstrap/bundle/make-bundle.ts'),
        import('../bootstrap/phases/packages.ts'),
      ]);
      const manifest = await makeBundle({
        output: resolve(flags.output),
        packages: ALL_PACKAGES,
        suite: flags.suite,
        architecture: flags.arch,
        mirror: flags.mirror,
        securityMirror: flags.securityMirror,
        keyring: flags.keyring,
        clock: systemClock,
        signal: processSignal(),
        progress: (message) => void process.stderr.write(`${message}\n`),
      });
      const mib = Math.ceil(manifest.files.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20);
      process.stdout.write(
        `${flags.output}: ${manifest.files.length - 1} packages for ${manifest.suite}, ${mib} MiB\n`,
      );
    });
}
