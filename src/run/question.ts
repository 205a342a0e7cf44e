import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { compileQuestion, type OwnQuestion } from '../program/ask.ts';
import {
  JournalReader,
  type BootGuard,
  type GuardKind,
  type JournalRecord,
  type RunState,
} from '../program/journal.ts';
import type { Session } from '../route/route.ts';
import type { Connection } from './connection.ts';

/** How a run stands on its host. */
export interface Answer {
  readonly state: RunState;
  /** Seconds until the guard fires; 0 where it does not. */
  readonly seconds: number;
  /** True where all changes are made and only the confirmation is missing. */
  readonly applied: boolean;
  /** The guard that was armed; null where none was. */
  readonly guard: { readonly by: GuardKind; readonly boot: BootGuard } | null;
  /** Why the host would not do what was asked; null where it did. */
  readonly refusal: { readonly code: string; readonly text: string } | null;
  /** What could not be taken back, and why, in the host's words. */
  readonly said: readonly string[];
}

/** Longest silence while a run takes itself back, in milliseconds. */
const idleMs = 330_000;

const betweenMs = 1000;

/** Time for one answer to a question that waits for nothing on the host, in milliseconds. */
const quickMs = 20_000;

/** The same over a console: a line of 9600 baud that loses bytes needs a minute for one question. */
const quickOverConsoleMs = 90_000;

/** Asks the program of a run on its host; null where no answer came. */
export async function ask(
  session: Session,
  runId: string,
  question: OwnQuestion,
  signal: AbortSignal,
): Promise<Answer | null> {
  const tag = randomBytes(16).toString('hex');
  const reader = new JournalReader(tag);
  const records: JournalRecord[] = [];
  const isLong = question.verb === 'revert' || question.verb === 'forbid';
  const quick = session.kind === 'console' ? quickOverConsoleMs : quickMs;
  const limit = isLong ? signal : AbortSignal.any([signal, AbortSignal.timeout(quick)]);
  const exit = await session.run(compileQuestion(runId, question, tag), {
    onOutput: (chunk) => records.push(...reader.push(chunk)),
    signal: limit,
    idleMs: isLong ? idleMs : quick,
  });
  if (!exit.ok) {
    return null;
  }
  const state = records.findLast((record) => record.type === 'state');
  const refusal = records.find((record) => record.type === 'refuse');
  if (state === undefined && refusal === undefined) {
    return null;
  }
  return {
    state: state?.state ?? 'none',
    seconds: state?.seconds ?? 0,
    applied: state?.applied ?? false,
    guard: state?.guard ?? null,
    refusal: refusal === undefined ? null : { code: refusal.code, text: refusal.text },
    said: records.flatMap((record) => (record.type === 'output' ? [record.text] : [])),
  };
}

/**
 * Asks until an answer comes, over a new connection where the last was lost; null after `untilMs` (of
 * `performance.now()`). Each question may be asked twice: the host does only once what it asks for.
 */
export async function askSurely(
  connection: Connection,
  runId: string,
  question: OwnQuestion,
  { untilMs, signal }: { readonly untilMs: number; readonly signal: AbortSignal },
): Promise<Answer | null> {
  while (!signal.aborted) {
    const session = await connection.restore(untilMs, signal);
    if (session === null) {
      return null;
    }
    const answer = await ask(session, runId, question, signal);
    if (answer !== null) {
      return answer;
    }
    connection.markLost();
    await pause(betweenMs, undefined, { signal }).catch(() => undefined);
    if (performance.now() > untilMs) {
      return null;
    }
  }
  return null;
}

/** Waits until a run is applied or settled; null where that cannot be learned before `untilMs`. */
export async function awaitApplied(
  connection: Connection,
  runId: string,
  limits: { readonly untilMs: number; readonly signal: AbortSignal },
): Promise<Answer | null> {
  for (;;) {
    const answer = await askSurely(connection, runId, { verb: 'status' }, limits);
    const busy =
      answer !== null &&
      (answer.state === 'prepared' ||
        answer.state === 'reverting' ||
        (answer.state === 'armed' && !answer.applied));
    if (!busy || performance.now() > limits.untilMs || limits.signal.aborted) {
      return answer;
    }
    await pause(1000, undefined, { signal: limits.signal }).catch(() => undefined);
  }
}
