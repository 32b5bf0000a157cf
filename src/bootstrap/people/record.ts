import { mkdir, open } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { StateDirectory } from '../state-directory.ts';

/** Who holds a certificate of the cluster, and until when. */
export interface PersonRecord {
  /** Lower-case hexadecimal, as certificates are told apart in an audit. */
  serialNumber: string;
  user: string;
  groups: string[];
  /** Milliseconds since the epoch. */
  issuedMs: number;
  notAfterMs: number;
  breakGlass: boolean;
}

export const PEOPLE_FILE = 'people/issued.jsonl';

/** Appends a line, and resolves when the disk has it. One write of a line that short is never torn by another's. */
export async function recordPerson(state: StateDirectory, record: PersonRecord): Promise<void> {
  const path = join(state.path, PEOPLE_FILE);
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, 'a', 0o600);
  try {
    await file.write(`${JSON.stringify(record)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** All records, the oldest first. */
export async function readPeople(state: StateDirectory): Promise<PersonRecord[]> {
  const text = (await state.read(PEOPLE_FILE)) ?? '';
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as PersonRecord);
}
