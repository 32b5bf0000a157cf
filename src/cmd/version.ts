import { Command } from 'commander';
import { KUBERNETES, releaseInfo } from '../base/version.ts';

const EXAMPLES = `
Examples:
  slipway version
  slipway version --output json

Exit codes:
  0  printed
  2  wrong usage`;

export function versionCommand(): Command {
  return new Command('version')
    .description('print the version, and the commit that it was built from')
    .option('-o, --output <format>', 'text or json', 'text')
    .addHelpText('after', EXAMPLES)
    .action(({ output }: { output: string }) => {
      if (output === 'json') process.stdout.write(`${JSON.stringify(versions())}\n`);
      else printVersion('slipway');
    });
}

/** 'slipway 0.1.0 (commit 347f4c5, Kubernetes 1.36, Node 24.21.0)'. */
export function printVersion(name: string): void {
  const { version, commit, kubernetes, node } = versions();
  process.stdout.write(
    `${name} ${version} (commit ${commit.slice(0, 12)}, Kubernetes ${kubernetes}, Node ${node})\n`,
  );
}

function versions(): { version: string; commit: string; kubernetes: string; node: string } {
  return {
    ...releaseInfo(),
    kubernetes: `${KUBERNETES.major}.${KUBERNETES.minor}`,
    node: process.versions.node,
  };
}
