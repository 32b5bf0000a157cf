import { Command } from 'commander';
import type { PreflightResult } from '../bootstrap/actions/preflight.ts';
import type { Finding, Severity } from '../bootstrap/preflight/finding.ts';
import { addOperatorOptions, printLine, runOperation, type OperatorFlags } from './operator.ts';

interface PreflightFlags extends OperatorFlags {
  all?: boolean;
}

const EXAMPLES = `
Examples:
  slipway preflight --inventory cluster.yaml
  slipway preflight --inventory cluster.yaml --all           what is fine, too
  slipway preflight --inventory cluster.yaml --output json

From every server to every other: the cluster's ports, round trip, loss, path MTU, clocks. On each: system, kernel,
memory, disks (synchronous writes where the store lives), ports in use, firewall, leftovers of other installers.
The servers are not changed. "slipway up" does the same with servers that are not installed yet.

Exit codes:
  0  the servers can become a cluster; what should be fixed is listed
  1  something must be fixed first
  2  it could not be found out, for instance because the inventory is wrong
  130  interrupted

JSON: the events of "slipway up", then
  {"type":"done","must":1,"should":0,"fine":20,"seconds":6.1,"findings":[{"severity":"must","check":"reach",
   "node":"w1","peer":"cp1","message":"…","remedy":"…"}]}`;

export function preflightCommand(): Command {
  const command = new Command('preflight').description(
    'find out whether the servers of an inventory can become a cluster; nothing on them is changed',
  );
  return addOperatorOptions(command)
    .option('--all', 'also list what is fine')
    .addHelpText('after', EXAMPLES)
    .action(async (flags: PreflightFlags) => {
      const { preflight } = await import('../bootstrap/actions/preflight.ts');
      await runOperation(flags, preflight, (result, durationMs) => tellResult(result, flags, durationMs));
    });
}

function tellResult({ findings }: PreflightResult, flags: PreflightFlags, durationMs: number): void {
  const of = (severity: Severity): Finding[] => findings.filter((finding) => finding.severity === severity);
  const [must, should, fine] = [of('must'), of('should'), of('fine')];
  if (must.length > 0) process.exitCode = 1;
  const seconds = Number((durationMs / 1000).toFixed(1));
  if (flags.output === 'json') {
    const counts = { must: must.length, should: should.length, fine: fine.length };
    printLine(JSON.stringify({ type: 'done', ...counts, seconds, findings }));
    return;
  }
  tellGroup('Must be fixed', must);
  tellGroup('Should be fixed', should);
  if (flags.all) tellGroup('Fine', fine);
  const verdict =
    must.length > 0
      ? 'the servers cannot become a cluster yet'
      : 'the servers can become a cluster: slipway up --inventory ' + flags.inventory;
  printLine(
    `${must.length} must be fixed, ${should.length} should be fixed, ${fine.length} are fine, in ${seconds} s; ${verdict}`,
  );
}

function tellGroup(title: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  printLine(`\n${title}:`);
  for (const { node, peer, message, remedy } of findings) {
    printLine(
      `  ${node === undefined ? '' : `${node}${peer === undefined ? '' : ` → ${peer}`}: `}${message}`,
    );
    if (remedy !== undefined) printLine(`      ${remedy}`);
  }
}
