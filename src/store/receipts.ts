import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Secret } from '../core/secret.ts';
import type { Receipt, ReceiptStore } from '../plan/receipt.ts';

/** Receipts on this machine, each in a folder of its own that only its owner can read. */
export interface Receipts extends ReceiptStore {
  /** For people: where they are. */
  readonly folder: string;
  /** One receipt by the run's id, or null. */
  read(runId: string): Promise<Receipt | null>;
  /** The one-use token of a stage, or null where it is settled or was made elsewhere. */
  readToken(stageId: string): Promise<Secret | null>;
  /** All of them, newest first; what cannot be read is left out. */
  list(): Promise<readonly Receipt[]>;
}

const runIdPattern = /^\d{8}-\d{6}-[0-9a-f]{6}(?:-\d+)?$/;

/** Whether a text has the form of a run's or a stage's id: nothing else ever becomes a path. */
export function isRunId(text: string): boolean {
  return runIdPattern.test(text);
}

/** The id of the run that a stage belongs to. */
export function runOfStage(stageId: string): string {
  return stageId.split('-').slice(0, 3).join('-');
}

/**
 * The receipts in `$XDG_STATE_HOME/remedy/runs`, else `~/.local/state/remedy/runs` (XDG Base Directory
 * Specification).
 */
export function openReceipts(environment: NodeJS.ProcessEnv): Receipts {
  const state = environment['XDG_STATE_HOME'];
  const base =
    state !== undefined && state.startsWith('/') ? state : join(homedir(), '.local/state');
  const folder = join(base, 'remedy/runs');
  const place = async (runId: string): Promise<string> => {
    const own = join(folder, runId);
    await mkdir(own, { recursive: true, mode: 0o700 });
    return own;
  };
  const tokenFile = (stageId: string): string =>
    join(folder, runOfStage(stageId), `token-${stageId}`);
  return {
    folder,
    async write(receipt) {
      const own = await place(receipt.runId);
      await replace(join(own, 'receipt.json'), `${JSON.stringify(receipt, null, 2)}\n`);
    },
    async writeToken(stageId, token) {
      await place(runOfStage(stageId));
      await replace(tokenFile(stageId), `${token.reveal()}\n`);
    },
    async clearToken(stageId) {
      await rm(tokenFile(stageId), { force: true });
    },
    async read(runId) {
      return isRunId(runId) ? readReceipt(join(folder, runOfStage(runId), 'receipt.json')) : null;
    },
    async readToken(stageId) {
      const text = isRunId(stageId)
        ? await readFile(tokenFile(stageId), 'utf8').catch(() => '')
        : '';
      return text.trim() === '' ? null : new Secret(text.trim());
    },
    async list() {
      const names = await readdir(folder).catch(() => []);
      const found = await Promise.all(
        names
          .filter(isRunId)
          .toSorted()
          .toReversed()
          .map((name) => readReceipt(join(folder, name, 'receipt.json'))),
      );
      return found.flatMap((receipt) => receipt ?? []);
    },
  };
}

// A reader sees the old text or the new one, and nobody else sees either.
async function replace(file: string, text: string): Promise<void> {
  const temporary = `${file}.${process.pid}.new`;
  await writeFile(temporary, text, { mode: 0o600 });
  await rename(temporary, file);
}

async function readReceipt(file: string): Promise<Receipt | null> {
  try {
    const receipt = JSON.parse(await readFile(file, 'utf8')) as Partial<Receipt>;
    return receipt.schema === 'remedy.receipt/1' && Array.isArray(receipt.stages)
      ? (receipt as Receipt)
      : null;
  } catch {
    return null;
  }
}
