import { randomBytes } from 'node:crypto';
import { cleanLine } from '../core/clean.ts';
import type { Change } from '../core/change.ts';
import type { Emit } from '../core/event.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { JournalReader, type JournalRecord } from '../program/journal.ts';
import { compileStage, stateFolder } from '../program/stage.ts';
import type { Session } from '../route/route.ts';
import type { Outcome } from './result.ts';

/** How a stage ended. */
export interface ApplyResult {
  /** `changed`, or what became of it. */
  readonly outcome: Extract<
    Outcome,
    'changed' | 'reverted' | 'failed' | 'unknown' | 'stuck' | 'locked'
  >;
  readonly failure: Failure | null;
}

/** Silence after which the applier's journal counts as lost; one command may take two minutes. */
const idleMs = 150_000;

interface Progress {
  readonly records: JournalRecord[];
}

/** Applies the changes of one stage by one program, which runs detached from the session. */
export async function applyStage(
  session: Session,
  stage: { readonly runId: string; readonly changes: readonly Change[] },
  emit: Emit,
  signal: AbortSignal,
): Promise<ApplyResult> {
  const token = randomBytes(16).toString('hex');
  const program = compileStage({ ...stage, token });
  const reader = new JournalReader(token);
  const progress: Progress = { records: [] };
  const onOutput = (chunk: Buffer): void => {
    for (const record of reader.push(chunk)) {
      progress.records.push(record);
      report(record, stage.changes, emit);
    }
  };
  const exit = await session.run(program, { onOutput, signal, idleMs });
  if (!exit.ok) {
    return { outcome: 'failed', failure: exit.error };
  }
  const lost = exit.value.type === 'lost' ? exit.value.because : null;
  return conclude(progress.records, stage, lost ?? session.errorOutput?.() ?? '', lost !== null);
}

function report(record: JournalRecord, changes: readonly Change[], emit: Emit): void {
  if (record.type === 'start' || record.type === 'done') {
    const summary = changes[record.number - 1]?.summary ?? '';
    const type = record.type === 'start' ? 'change-started' : 'change-done';
    emit({ type, index: record.number, total: changes.length, summary });
  }
}

function conclude(
  records: readonly JournalRecord[],
  stage: { runId: string; changes: readonly Change[] },
  said: string,
  lost: boolean,
): ApplyResult {
  const end = records.find((record) => record.type === 'end');
  const refusal = records.find((record) => record.type === 'refuse');
  if (end?.how === 'applied') {
    return { outcome: 'changed', failure: null };
  }
  if (refusal !== undefined) {
    return refused(refusal.code, refusal.text);
  }
  if (end !== undefined) {
    return failedChange(records, stage, end.how === 'reverted');
  }
  const started = records.some((record) => record.type === 'start');
  const vanished = records.find((record) => record.type === 'lost');
  if (vanished !== undefined && started) {
    return diedEnd(records, stage, vanished.text);
  }
  return unknownEnd(stage.runId, vanished?.text ?? said, started || lost);
}

function refused(code: string, text: string): ApplyResult {
  const locked = code === 'locked';
  const failure: Failure = {
    code: locked ? 'locked' : 'apply-failed',
    what: locked ? 'Another run is at work on this host.' : 'The run could not start on the host.',
    why: text,
    access: nothingChanged,
    todo: locked
      ? 'Wait until it is done, then run the same command again.'
      : `Make room and look at ${stateFolder}, then run the same command again.`,
  };
  return { outcome: locked ? 'locked' : 'failed', failure };
}

function failedChange(
  records: readonly JournalRecord[],
  stage: { runId: string; changes: readonly Change[] },
  reverted: boolean,
): ApplyResult {
  const failed = records.find((record) => record.type === 'failed');
  const change = stage.changes[(failed?.number ?? 0) - 1];
  const until = failed === undefined ? records : records.slice(0, records.indexOf(failed));
  const said = until.findLast((record) => record.type === 'output')?.text ?? '';
  const stuck = records.flatMap((record) =>
    record.type === 'undo-failed' ? [stage.changes[record.number - 1]?.summary ?? ''] : [],
  );
  return {
    outcome: reverted ? 'reverted' : 'stuck',
    failure: {
      code: reverted ? (failed?.status === 3 ? 'drifted' : 'apply-failed') : 'stuck',
      what: `A change failed: ${change?.summary ?? 'unknown'}.`,
      why: cleanLine(said) || `exit status ${failed?.status ?? '?'}`,
      access: reverted
        ? 'Everything done before it was taken back: the host is as it was.'
        : `Not everything could be taken back: ${stuck.join('; ')}. Do not close the session you have.`,
      todo: reverted
        ? 'Mend what is named above, then run the same command again.'
        : `Look at ${stateFolder}/${stage.runId}/journal on the host.`,
    },
  };
}

function diedEnd(
  records: readonly JournalRecord[],
  stage: { runId: string; changes: readonly Change[] },
  said: string,
): ApplyResult {
  const done = records.filter((record) => record.type === 'done').length;
  const next = stage.changes[done]?.summary ?? 'the last one';
  return {
    outcome: 'unknown',
    failure: {
      code: 'contact-lost',
      what: 'The program that makes the changes died on the host.',
      why:
        cleanLine(said) ||
        `It had made ${done} of ${stage.changes.length} changes; next was: ${next}.`,
      access: `${done} of ${stage.changes.length} changes were made and stay; the next one may be half made.`,
      todo: `Run the same command again: what is done is left alone. On the host:\n    cat ${stateFolder}/${stage.runId}/journal`,
    },
  };
}

function unknownEnd(runId: string, said: string, started: boolean): ApplyResult {
  return {
    outcome: started ? 'unknown' : 'failed',
    failure: {
      code: 'contact-lost',
      what: started
        ? 'Contact was lost while the changes were being made.'
        : 'The program did not start on the host.',
      why: cleanLine(said) || 'the host gave no reason',
      access: started
        ? 'The changes go on without this connection: they end complete, or taken back after a failure.'
        : nothingChanged,
      todo: started
        ? `Try to log in. To see how it ended, on the host:\n    cat ${stateFolder}/${runId}/journal`
        : 'Run the same command again.',
    },
  };
}
