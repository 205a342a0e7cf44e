import { cleanLine, cleanText } from '../../core/clean.ts';
import type { Receipt } from '../../plan/receipt.ts';
import { changeDiff } from '../../plan/diff.ts';
import { openReceipts } from '../../store/receipts.ts';
import { failureStatus } from '../exit-status.ts';
import { createPaint } from '../../report/paint.ts';
import { failureText } from '../../report/text.ts';
import { unknownRun } from './settle.ts';

/** `remedy runs`: the receipts of this machine, newest first; returns the exit status. */
export async function runsCommand(flags: { readonly output: string }): Promise<number> {
  const receipts = await openReceipts(process.env).list();
  if (flags.output === 'json') {
    const runs = receipts.map((receipt) => ({
      runId: receipt.runId,
      host: receipt.host,
      title: receipt.title,
      startedAt: receipt.startedAt,
      endedAt: receipt.endedAt,
      undoes: receipt.undoes,
      stages: receipt.stages.map((stage) => ({ runId: stage.runId, state: stage.state })),
    }));
    process.stdout.write(`${JSON.stringify({ schema: 'remedy.runs/1', runs }, null, 2)}\n`);
    return 0;
  }
  const lines = receipts.map(
    (receipt) =>
      `${receipt.runId}  ${cleanLine(receipt.host)}  ${stateOf(receipt)}  ${cleanLine(receipt.title)}\n`,
  );
  process.stdout.write(lines.length === 0 ? 'No run has left a receipt here.\n' : lines.join(''));
  return 0;
}

/** `remedy show RUN`: one receipt; returns the exit status. */
export async function showCommand(
  name: string,
  flags: { readonly output: string },
): Promise<number> {
  const receipt = await openReceipts(process.env).read(name);
  if (receipt === null) {
    const failure = unknownRun(name, 'There is no receipt of it on this machine.');
    const status = failureStatus(failure.code);
    if (flags.output === 'json') {
      process.stdout.write(
        `${JSON.stringify({ schema: 'remedy.receipt/1', failure, exitCode: status }, null, 2)}\n`,
      );
    } else {
      process.stderr.write(`${failureText(failure, createPaint(false))}\n`);
    }
    return status;
  }
  process.stdout.write(
    flags.output === 'json' ? `${JSON.stringify(receipt, null, 2)}\n` : receiptText(receipt),
  );
  return 0;
}

function receiptText(receipt: Receipt): string {
  const head = [
    `run ${receipt.runId} on ${cleanLine(receipt.host)}: ${stateOf(receipt)}`,
    cleanLine(receipt.title),
    `begun ${cleanLine(receipt.startedAt)}, ended ${cleanLine(receipt.endedAt ?? 'never: remedy was killed')}`,
    ...(receipt.undoes === null ? [] : [`undoes run ${receipt.undoes}`]),
  ];
  const stages = receipt.stages.flatMap((stage) => [
    '',
    `stage ${stage.runId}: ${stage.state}`,
    ...stage.changes.map(
      (change, index) =>
        `${index + 1}. ${cleanLine(change.summary)}\n${cleanText(changeDiff(change)).trimEnd()}`,
    ),
  ]);
  return `${[...head, ...stages].join('\n')}\n`;
}

function stateOf({ stages }: Receipt): string {
  return stages.map(({ state }) => state).join(', then ');
}
