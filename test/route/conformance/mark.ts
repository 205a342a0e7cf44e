import { randomUUID } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { processesMarked } from './traces.ts';

/** An environment by which the processes and temporary files of a stand are found again. */
export interface Mark {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A folder for the stand itself. */
  readonly folder: string;
  /** Processes with that environment, and files in its `TMPDIR`. */
  left(): readonly string[];
  remove(): void;
}

/** Makes a mark that nothing else on this machine has. */
export function makeMark(): Mark {
  const folder = mkdtempSync(join(tmpdir(), 'remedy-conformance-'));
  const temporary = join(folder, 'tmp');
  mkdirSync(temporary);
  const name = randomUUID();
  return {
    environment: { ...process.env, REMEDY_TEST_MARK: name, TMPDIR: temporary },
    folder,
    left: () => [...processesMarked(`REMEDY_TEST_MARK=${name}`), ...readdirSync(temporary)],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}
