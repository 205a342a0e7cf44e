import type { Receipt, StageReceipt } from '../plan/receipt.ts';
import { planUndo, undoRequest } from '../plan/undo.ts';
import type { Work } from './work.ts';

/**
 * The inverse of a run that was kept: its stages, last one first, each proven before the next.
 *
 * @param undoneBy the run that has undone it already, or null: then nothing is left to do.
 */
export function undoWork(receipt: Receipt, undoneBy: string | null): Work {
  if (undoneBy !== null) {
    return nothingLeft(receipt, undoneBy);
  }
  const kept = receipt.stages.filter(({ state }) => state === 'confirmed');
  return undoStages(receipt, kept.toReversed());
}

function nothingLeft(receipt: Receipt, undoneBy: string): Work {
  const reason = `run ${undoneBy} has undone it; to make its changes again: remedy undo ${undoneBy}`;
  const step = { id: receipt.runId, playbook: 'undo', module: 'undo', action: 'none' } as const;
  return {
    title: `undo of run ${receipt.runId} (${receipt.title})`,
    checks: [],
    requires: null,
    proofPort: null,
    isLast: true,
    requests: () => [],
    plan: (facts) => ({
      steps: [{ ...step, reason, changes: [] }],
      facts,
      later: [],
      foreseen: [],
    }),
    again: () => [],
    after: () => nothingLeft(receipt, undoneBy),
  };
}

/** The run that has undone this one and was not undone itself; null where there is none. */
export function undoerOf(runId: string, receipts: readonly Receipt[]): string | null {
  const undoer = receipts.find(
    (one) =>
      one.undoes === runId &&
      one.stages.length > 0 &&
      one.stages.every(({ state }) => state === 'confirmed') &&
      undoerOf(one.runId, receipts) === null,
  );
  return undoer?.runId ?? null;
}

function undoStages(receipt: Receipt, stages: readonly StageReceipt[]): Work {
  const [stage, ...rest] = stages;
  return {
    title: `undo of run ${receipt.runId} (${receipt.title})`,
    checks: [],
    requires: null,
    proofPort: null,
    isLast: rest.length === 0,
    requests: () => (stage === undefined ? [] : [undoRequest(stage)]),
    plan: (facts, { runId }) =>
      stage === undefined
        ? { steps: [], facts, later: [], foreseen: [] }
        : planUndo(stage, facts, runId),
    // The host compared each file with what it was to become; other undone changes cannot be asked.
    again: () => [],
    after: () => undoStages(receipt, rest),
  };
}
