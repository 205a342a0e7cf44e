import { randomBytes } from 'node:crypto';
import type { Change } from '../core/change.ts';
import { sha256Of } from '../core/digest.ts';
import type { Emit } from '../core/event.ts';
import type { Failure } from '../core/failure.ts';
import type { Secret } from '../core/secret.ts';
import {
  JournalReader,
  type BootGuard,
  type GuardKind,
  type JournalRecord,
} from '../program/journal.ts';
import { compileStage } from '../program/stage.ts';
import {
  diedFailure,
  guardFailure,
  refusedFailure,
  revertedFailure,
  stuckFailure,
  unknownFailure,
} from './apply-failure.ts';
import type { Connection } from './connection.ts';
import { askSurely, awaitApplied, type Answer } from './question.ts';
import type { Outcome } from './result.ts';

/** One stage as it goes to the host. */
export interface StageRun {
  readonly runId: string;
  readonly changes: readonly Change[];
  readonly guardSeconds: number;
  /** The one-use token that confirms it. */
  readonly confirmToken: Secret;
  readonly about: readonly string[];
}

/** The armed undo of a stage. */
export interface Guard {
  readonly by: GuardKind;
  /** What takes over after a reboot. */
  readonly boot: BootGuard;
  /** The confirm window, in seconds. */
  readonly seconds: number;
}

/** How a stage ended; `applied` waits for its confirmation. */
export interface ApplyResult {
  readonly outcome:
    | 'applied'
    | Extract<Outcome, 'reverted' | 'refused' | 'failed' | 'unknown' | 'stuck' | 'locked'>;
  readonly guard: Guard | null;
  readonly failure: Failure | null;
}

/** Silence after which the applier's journal counts as lost; one change may take the lease of 300 s. */
const idleMs = 330_000;

/** Longest time until a host that lost contact has settled by itself, beyond the confirm window. */
const leaseMs = 360_000;

/**
 * Applies the changes of one stage by one program, which runs detached from the session and takes
 * everything back unless it is confirmed. An abort of `stop` is the person's: the host stops at the
 * next safe point and takes everything back.
 */
export async function applyStage(
  connection: Connection,
  stage: StageRun,
  emit: Emit,
  stop: AbortSignal,
): Promise<ApplyResult> {
  const token = randomBytes(16).toString('hex');
  const program = compileStage({
    ...stage,
    token,
    confirmSha256: sha256Of(`${stage.confirmToken.reveal()}\n`),
  });
  const follower = new Follower(token, stage, emit);
  const exit = await connection.session.run(program, {
    onOutput: (chunk) => follower.push(chunk),
    signal: stop,
    idleMs,
  });
  if (!exit.ok) {
    return { outcome: 'failed', guard: null, failure: exit.error };
  }
  const ended = follower.ended;
  if (ended !== null && !stop.aborted) {
    return ended;
  }
  const lost = exit.value.type === 'lost' ? exit.value.because : null;
  if (lost !== null && !stop.aborted) {
    connection.markLost();
  }
  const said = follower.lost ?? lost ?? connection.session.errorOutput?.() ?? '';
  return afterLoss(connection, stage, follower, { said, emit, stop });
}

/** Reads the journal as it comes, and tells the view. */
class Follower {
  readonly #reader: JournalReader;
  readonly #stage: StageRun;
  readonly #emit: Emit;
  readonly #records: JournalRecord[] = [];
  guard: Guard | null = null;

  constructor(token: string, stage: StageRun, emit: Emit) {
    this.#reader = new JournalReader(token);
    this.#stage = stage;
    this.#emit = emit;
  }

  push(chunk: Buffer): void {
    for (const record of this.#reader.push(chunk)) {
      this.#records.push(record);
      this.#report(record);
    }
  }

  get started(): boolean {
    return this.#records.some(({ type }) => type === 'armed' || type === 'start');
  }

  /** Why nobody is left on the host who could end the stage; null where that was not said. */
  get lost(): string | null {
    return this.#records.find((record) => record.type === 'lost')?.text ?? null;
  }

  get records(): readonly JournalRecord[] {
    return this.#records;
  }

  /** How it ended, where the journal said so. */
  get ended(): ApplyResult | null {
    const { guard } = this;
    const end = this.#records.findLast((record) => record.type === 'end');
    const refusal = this.#records.find((record) => record.type === 'refuse');
    if (end?.how === 'applied' && refusal === undefined) {
      return { outcome: 'applied', guard, failure: null };
    }
    if (refusal !== undefined) {
      const outcomes: Readonly<Record<string, ApplyResult['outcome']>> = {
        locked: 'locked',
        state: 'failed',
        start: 'refused',
      };
      const failure = refusedFailure(refusal.code, refusal.text, this.#records, this.#stage);
      return { outcome: outcomes[refusal.code] ?? 'refused', guard: null, failure };
    }
    if (end?.how === 'reverted') {
      return { outcome: 'reverted', guard, failure: revertedFailure(this.#records, this.#stage) };
    }
    if (end?.how === 'stuck') {
      return { outcome: 'stuck', guard, failure: stuckFailure(this.#records, this.#stage) };
    }
    return null;
  }

  #report(record: JournalRecord): void {
    const { changes, runId, guardSeconds } = this.#stage;
    if (record.type === 'start' || record.type === 'done') {
      const summary = changes[record.number - 1]?.summary ?? '';
      const type = record.type === 'start' ? 'change-started' : 'change-done';
      this.#emit({ type, index: record.number, total: changes.length, summary });
    } else if (record.type === 'armed') {
      this.guard = { by: record.by, boot: record.boot, seconds: guardSeconds };
      this.#emit({ type: 'armed', runId, by: record.by, boot: record.boot, seconds: guardSeconds });
    } else if (record.type === 'revert') {
      this.#emit({ type: 'reverting', runId, why: record.text });
    }
  }
}

interface Loss {
  readonly said: string;
  readonly emit: Emit;
  readonly stop: AbortSignal;
}

// The host goes on without us. Contact is made anew to learn how it ended, or to tell it to stop.
async function afterLoss(
  connection: Connection,
  stage: StageRun,
  follower: Follower,
  { said, emit, stop }: Loss,
): Promise<ApplyResult> {
  const { guard } = follower;
  const untilMs = performance.now() + leaseMs + stage.guardSeconds * 1000;
  const limits = { untilMs, signal: new AbortController().signal };
  if (stop.aborted) {
    return fromAnswer(
      await askSurely(connection, stage.runId, { verb: 'forbid' }, limits),
      stage,
      follower,
      said,
    );
  }
  emit({
    type: 'notice',
    text: 'The connection was lost; the host goes on by itself. Trying to reach it again.',
  });
  const answer = await awaitApplied(connection, stage.runId, { untilMs, signal: stop });
  if (stop.aborted) {
    return afterLoss(connection, stage, follower, { said, emit, stop });
  }
  if (answer?.state === 'none') {
    // The program may still be on its way: what is said of it must stay true.
    return fromAnswer(
      await askSurely(connection, stage.runId, { verb: 'forbid' }, limits),
      stage,
      follower,
      said,
    );
  }
  return answer?.state === 'armed' && answer.applied
    ? {
        outcome: 'applied',
        guard: guard ?? guardOf(answer, stage),
        failure: null,
      }
    : fromAnswer(answer, stage, follower, said);
}

function guardOf({ guard }: Answer, { guardSeconds }: StageRun): Guard | null {
  return guard === null ? null : { ...guard, seconds: guardSeconds };
}

function fromAnswer(
  answer: Answer | null,
  stage: StageRun,
  follower: Follower,
  said: string,
): ApplyResult {
  const { records } = follower;
  const guard = follower.guard ?? (answer === null ? null : guardOf(answer, stage));
  if (answer === null) {
    return { outcome: 'unknown', guard, failure: unknownFailure(stage, said) };
  }
  switch (answer.state) {
    case 'none':
      return { outcome: 'failed', guard: null, failure: diedFailure(said) };
    case 'prepared':
      return { outcome: 'refused', guard: null, failure: guardFailure(said) };
    case 'reverted':
      return { outcome: 'reverted', guard, failure: revertedFailure(records, stage) };
    case 'stuck':
      return { outcome: 'stuck', guard, failure: stuckFailure(records, stage, answer.said) };
    case 'confirmed':
      return { outcome: 'applied', guard, failure: null };
    default:
      return { outcome: 'unknown', guard, failure: unknownFailure(stage, said) };
  }
}
