import type { Secret } from '../core/secret.ts';
import type { Change, FactAfter } from '../core/change.ts';

/** The record of a run on the controller: what was done where, enough to settle it and to undo it. */
export interface Receipt {
  readonly schema: 'remedy.receipt/1';
  readonly runId: string;
  /** Version of remedy that wrote it. */
  readonly version: string;
  /** ISO 8601, by the controller's clock; for people. */
  readonly startedAt: string;
  readonly endedAt: string | null;
  readonly host: string;
  readonly title: string;
  /** The flags that name the host and the ways in; no secret is ever a flag. */
  readonly flags: unknown;
  readonly stages: readonly StageReceipt[];
  /** The host's part of `remedy.run/1`; null while the run is open. */
  readonly result: unknown;
  /** The run that this one undid, or null. */
  readonly undoes: string | null;
}

/** One stage in a receipt. */
export interface StageReceipt {
  /** The stage's folder on the host is `/var/lib/remedy/` and this. */
  readonly runId: string;
  readonly state: 'open' | 'armed' | 'confirmed' | 'reverted' | 'stuck' | 'not-begun';
  /** As they were made; of the texts of sensitive ones only the digests. */
  readonly changes: readonly Change[];
  /** The facts that the changes touched, as they were and as they were to be: for an undo's plan. */
  readonly before: readonly FactAfter[];
  readonly after: readonly FactAfter[];
}

/**
 * The facts that changes touch and whose values may be written down: what a sensitive change touches
 * may hold its text.
 */
export function openKeys(changes: readonly Change[]): string[] {
  const hidden = new Set(touchedKeys(changes.filter(({ sensitive }) => sensitive)));
  return touchedKeys(changes).filter((key) => !hidden.has(key));
}

/** The keys of all facts that changes touch, each once. */
export function touchedKeys(changes: readonly Change[]): string[] {
  const keys = changes.flatMap(({ factsAfter, invalidates }) => [
    ...factsAfter.map(({ key }) => key),
    ...invalidates,
  ]);
  return [...new Set(keys)];
}

/** Where receipts are kept. */
export interface ReceiptStore {
  write(receipt: Receipt): Promise<void>;
  writeToken(stageId: string, token: Secret): Promise<void>;
  clearToken(stageId: string): Promise<void>;
}
