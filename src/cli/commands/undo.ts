import { notContacted, RunFailure } from '../../core/failure.ts';
import { ok } from '../../core/result.ts';
import { undoerOf, undoWork } from '../../run/undo-work.ts';
import { openReceipts } from '../../store/receipts.ts';
import { runAndReport } from '../run-frame.ts';
import { checkGuardFlags, runGuarded, type GuardFlags } from './run.ts';
import { storedWay, unknownRun } from './settle.ts';

/** `remedy undo RUN`: the inverse of a run, as a run of its own; returns the exit status. */
export async function undoCommand(name: string, flags: GuardFlags): Promise<number> {
  return runAndReport(flags, async (frame) => {
    const guard = checkGuardFlags(flags);
    const receipts = openReceipts(process.env);
    const receipt = await receipts.read(name);
    if (receipt === null) {
      throw new RunFailure(unknownRun(name, 'There is no receipt of it on this machine.'));
    }
    const open = receipt.stages.find(({ state }) => state === 'open' || state === 'armed');
    if (open !== undefined) {
      throw new RunFailure({
        code: 'usage',
        what: `Run ${open.runId} is not settled yet.`,
        why: 'its guard may still be armed',
        access: notContacted,
        todo: `To take it back, or to learn how it stands:\n    remedy revert ${open.runId}\n    remedy status ${open.runId}`,
      });
    }
    const undoneBy = undoerOf(receipt.runId, await receipts.list());
    const named = flags.host !== undefined || flags.local;
    const used = named ? flags : { ...flags, ...storedWay(receipt) };
    return runGuarded(frame, used, guard, {
      undoes: receipt.runId,
      early: () => ok(null),
      work: () => ok(undoWork(receipt, undoneBy)),
    });
  });
}
