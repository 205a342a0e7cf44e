import { cleanLine } from '../core/clean.ts';
import type { Settled } from '../run/settle-run.ts';
import type { Paint } from './paint.ts';
import { failureText } from './text.ts';

/** The JSON document of `confirm`, `revert` and `status RUN`: `remedy.settle/1`. */
export function settleDocument(
  verb: string,
  runId: string,
  host: string,
  settled: Settled,
  exitCode: number,
): object {
  const { route, state, seconds, applied, failure } = settled;
  const schema = 'remedy.settle/1';
  return { schema, command: verb, runId, host, route, state, seconds, applied, failure, exitCode };
}

/** How a run stands, for people. */
export function settleText(runId: string, host: string, settled: Settled, paint: Paint): string {
  const { state, seconds, applied, failure } = settled;
  const failed = failure === null ? [] : [failureText(failure, paint)];
  const more =
    state === 'armed'
      ? applied
        ? `; it takes itself back in ${seconds} s unless it is confirmed`
        : '; the changes are still being made'
      : '';
  const line = state === null ? [] : [`run ${runId} on ${cleanLine(host)}: ${state}${more}`];
  return [...failed, ...line].join('\n');
}

/** One run in a list. */
export interface StatusRow {
  readonly runId: string;
  readonly host: string;
  readonly state: string;
  readonly seconds?: number;
}

/** Runs and how they stand: `remedy.status/1`, or lines. */
export function statusText(rows: readonly StatusRow[], output: string): string {
  if (output === 'json') {
    return `${JSON.stringify({ schema: 'remedy.status/1', runs: rows, exitCode: 0 }, null, 2)}\n`;
  }
  if (rows.length === 0) {
    return 'No run waits for a word.\n';
  }
  const lines = rows.map(
    ({ runId, host, state, seconds }) =>
      `${runId}  ${cleanLine(host)}  ${state}${seconds === undefined ? '' : `, ${seconds} s left`}\n`,
  );
  return lines.join('');
}
