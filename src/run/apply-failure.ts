import { cleanLine } from '../core/clean.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import type { JournalRecord } from '../program/journal.ts';
import { stateFolder } from '../program/stage.ts';
import type { StageRun } from './apply.ts';

type Stage = Pick<StageRun, 'runId' | 'changes' | 'guardSeconds'>;

const asItWas = 'Everything was taken back: the host is as it was.';

/** The host refused a stage before the first write. */
export function refusedFailure(
  code: string,
  text: string,
  records: readonly JournalRecord[],
  stage: Stage,
): Failure {
  const said = records.flatMap((record) => (record.type === 'output' ? [record.text] : []));
  const summary = stage.changes[Number(text) - 1]?.summary ?? '';
  switch (code) {
    case 'locked':
      return {
        code: 'locked',
        what: 'Another run holds this host.',
        why: text,
        access: nothingChanged,
        todo: 'Wait until it is settled, or settle it, then run the same command again.',
      };
    case 'settled':
      return {
        code: 'drifted',
        what: 'An older run on this host had died half-way; it was settled first.',
        why: text,
        access: 'Nothing of this run was changed on the host.',
        todo: 'Run the same command again: it plans on what the host is like now.',
      };
    case 'drift':
      return {
        code: 'drifted',
        what: `The host was changed by someone else after it was looked at: ${summary}.`,
        why: said.join('\n'),
        access: nothingChanged,
        todo: 'Run the same command again: it plans on what the host is like now.',
      };
    case 'ready':
      return {
        code: 'apply-failed',
        what: `A change could not be taken back, so it was not made: ${summary}.`,
        why: said.join('\n'),
        access: nothingChanged,
        todo: 'Mend what is named above, then run the same command again.',
      };
    case 'guard':
    case 'start':
      return guardFailure(text);
    default:
      return {
        code: 'apply-failed',
        what: 'The run could not start on the host.',
        why: text,
        access: nothingChanged,
        todo: `Make room and look at ${stateFolder}, then run the same command again.`,
      };
  }
}

/** No armed undo, no change. */
export function guardFailure(said: string): Failure {
  return {
    code: 'guard-unavailable',
    what: 'No guard could be armed on the host, so nothing was begun.',
    why: cleanLine(said) || 'the host gave no reason',
    access: nothingChanged,
    todo: 'Come in as root, or install systemd-run or at; then run the same command again.',
  };
}

/** Everything was taken back on the host: after a failure, at the deadline, or because it was asked for. */
export function revertedFailure(records: readonly JournalRecord[], stage: Stage): Failure {
  const failed = records.find((record) => record.type === 'failed');
  if (failed === undefined) {
    const why = records.findLast((record) => record.type === 'revert')?.text;
    return {
      code: 'guard-fired',
      what: 'The guard took all changes back.',
      why: why ?? 'nobody confirmed in time',
      access: asItWas,
      todo: 'Run the same command again. A longer --guard-seconds gives a slow line more time.',
    };
  }
  const until = records.slice(0, records.indexOf(failed));
  const said = until.flatMap((record) => (record.type === 'output' ? [record.text] : [])).slice(-8);
  return {
    code: failed.status === 3 ? 'drifted' : 'apply-failed',
    what: `A change failed: ${stage.changes[failed.number - 1]?.summary ?? 'unknown'}.`,
    why: said.join('\n') || `exit status ${failed.status}`,
    access: asItWas,
    todo: 'Mend what is named above, then run the same command again.',
  };
}

/** What it means for access where not all could be taken back. */
export const halfWay =
  'Do not close the session you have: the host is neither as it was nor as it should be.';

/** Something could not be taken back. */
export function stuckFailure(
  records: readonly JournalRecord[],
  stage: Stage,
  answered: readonly string[] = [],
): Failure {
  const first = records.findIndex((record) => record.type === 'revert');
  const after = records.slice(Math.max(first, 0));
  const said = [
    ...after.flatMap((record) => (record.type === 'output' ? [record.text] : [])),
    ...answered,
  ];
  const left = after.flatMap((record) =>
    record.type === 'undo-failed' ? [stage.changes[record.number - 1]?.summary ?? ''] : [],
  );
  return {
    code: 'stuck',
    what: `Not everything could be taken back: ${left.join('; ') || 'see below'}.`,
    why: said.slice(-30).join('\n'),
    access: halfWay,
    todo: `Look at what is named above. On the host:\n    cat ${stateFolder}/${stage.runId}/README ${stateFolder}/${stage.runId}/journal`,
  };
}

/** The program never ran. */
export function diedFailure(said: string): Failure {
  return {
    code: 'contact-lost',
    what: 'The program did not start on the host.',
    why: cleanLine(said) || 'the host gave no reason',
    access: nothingChanged,
    todo: 'Run the same command again.',
  };
}

/** Nobody knows how it ended, but it ends by itself. */
export function unknownFailure(stage: Stage, said: string): Failure {
  return {
    code: 'contact-lost',
    what: 'Contact with the host was lost.',
    why: cleanLine(said) || 'the host does not answer',
    access: `The host goes on by itself: unless the run is confirmed within ${stage.guardSeconds} s after its last change, all changes are taken back.`,
    todo: settleWords(stage.runId),
  };
}

/** How to settle a run later, from here or at the console. */
export function settleWords(runId: string): string {
  return `To see how it stands, to keep the changes, or to take them back now:\n    remedy status ${runId}\n    remedy confirm ${runId}\n    remedy revert ${runId}\nOn the host, as root:\n    sh ${stateFolder}/${runId}/program status`;
}
