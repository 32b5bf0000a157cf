import { readFile } from 'node:fs/promises';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { systemClock, type Clock } from '../base/clock.ts';
import { parseBindAddress } from '../base/health-server.ts';
import { messageOf, SlipwayError } from '../base/errors.ts';
import { processSignal, reportFatal } from '../base/lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from '../base/log.ts';

export interface BindAddress {
  address: string;
  port: number;
}

export interface ComponentFlags {
  logLevel: LogLevel;
  metricsBindAddress: BindAddress;
}

/** What a component's own function is given besides its flags. */
export interface ComponentContext {
  clock: Clock;
  log: Logger;
  /** Aborts on SIGTERM and SIGINT. */
  signal: AbortSignal;
}

/** The flags that every component has. `metricsPort` is the default of --metrics-bind-address, on loopback; none: off. */
export function addComponentFlags(command: Command, metricsPort?: number): Command {
  const metrics = 'where /healthz and /metrics answer';
  return command
    .addOption(
      metricsPort === undefined
        ? new Option('--metrics-bind-address <address:port>', metrics).argParser(bindAddress)
        : bindAddressOption('--metrics-bind-address', metrics, '127.0.0.1', metricsPort),
    )
    .addOption(
      new Option('--log-level <level>', 'least level of log lines')
        .choices(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info'),
    );
}

/** Runs a component until it is told to stop; a failure of its function ends the process with a message. */
export async function runAsComponent(
  name: string,
  flags: Pick<ComponentFlags, 'logLevel'>,
  run: (context: ComponentContext) => Promise<void>,
): Promise<void> {
  const log = createLogger(name, flags.logLevel);
  const { releaseInfo } = await import('../base/version.ts');
  log.info({ ...releaseInfo(), pid: process.pid }, 'starting');
  const signal = processSignal();
  try {
    await run({ clock: systemClock, log, signal });
  } catch (error) {
    // Whatever it had opened must not keep the process: systemd starts it again when it has ended.
    process.exit(reportFatal(error));
  }
  log.info({}, 'stopped');
  // What is left now are idle sockets at most; nothing that was promised waits any more.
  process.exit(0);
}

/** /healthz and /metrics of a process whose component does not serve them itself. */
export async function serveProcessMetrics(address: BindAddress): Promise<{ close(): Promise<void> }> {
  const [{ startHealthServer }, { processMetrics }] = await Promise.all([
    import('../base/health-server.ts'),
    import('../base/process-metrics.ts'),
  ]);
  const registry = processMetrics();
  return startHealthServer({ ...address, problem: () => undefined, metrics: () => registry.metrics() });
}

export function bindAddressOption(flag: string, description: string, address: string, port: number): Option {
  return new Option(`${flag} <address:port>`, description)
    .argParser(bindAddress)
    .default({ address, port }, `${address}:${port}`);
}

function bindAddress(text: string): BindAddress {
  const parsed = parseBindAddress(text);
  if (!parsed)
    throw new InvalidArgumentError('It is an address and a port, e.g. 127.0.0.1:10249 or [::1]:10249.');
  return parsed;
}

export function port(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value > 65_535)
    throw new InvalidArgumentError('It is a number from 0 to 65535.');
  return value;
}

/** A flag as upstream writes booleans: --leader-elect, --leader-elect=true, --leader-elect=false. */
export function boolean(text: string): boolean {
  if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('It is true or false.');
  return text === 'true';
}

/** A file that a flag names. E_FILE where it cannot be read. */
export async function readPem(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new SlipwayError('E_FILE', `${file} cannot be read: ${messageOf(cause)}`, {
      hint: 'check the flag that names it, and who may read it',
      cause,
    });
  }
}
