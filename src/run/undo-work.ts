import type { Receipt, StageReceipt } from '../plan/receipt.ts';
import { planUndo, undoRequest } from '../plan/undo.ts';
import type { Work } from './work.ts';

/** The inverse of a run that was kept: its stages, last one first, each proven before the next. */
export function undoWork(receipt: Receipt): Work {
  const kept = receipt.stages.filter(({ state }) => state === 'confirmed');
  return undoStages(receipt, kept.toReversed());
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
