import { InvalidArgumentError, type Command } from 'commander';

/** What every command takes that drains a server. */
export interface DrainFlags {
  force?: boolean;
  deleteEmptydirData?: boolean;
  /** Seconds. */
  drainTimeout: number;
}

export const addDrainOptions = (command: Command): Command =>
  command
    .option('--force', 'delete pods that no controller would make again')
    .option('--delete-emptydir-data', 'evict pods whose emptyDir volumes are lost with them')
    .option('--drain-timeout <seconds>', 'how long pods may take to go', seconds, 300);

/** The flags as actions take them. */
export const drainOf = (flags: DrainFlags) => ({
  force: flags.force === true,
  deleteEmptyDirData: flags.deleteEmptydirData === true,
  drainTimeoutMs: flags.drainTimeout * 1000,
});

function seconds(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new InvalidArgumentError('It is a whole number of seconds.');
  return Number(text);
}
