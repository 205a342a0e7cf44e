import { randomBytes } from 'node:crypto';
import type { Emit } from '../core/event.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import { fail, ok, type Result } from '../core/result.ts';
import { compileRunList, type Question } from '../program/ask.ts';
import { JournalReader, type JournalRecord, type RunState } from '../program/journal.ts';
import { stateFolder } from '../program/stage.ts';
import type { Route, RouteKind } from '../route/route.ts';
import { halfWay } from './apply-failure.ts';
import { Connection } from './connection.ts';
import { openRoute } from './open-route.ts';
import { askSurely, type Answer } from './question.ts';

/** What a settling command needs of its surroundings. */
export interface SettleContext {
  readonly routes: readonly Route[];
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** What became of a run that was asked about. */
export interface Settled {
  readonly route: RouteKind | null;
  readonly state: RunState | null;
  /** Seconds until the guard fires; 0 where it does not. */
  readonly seconds: number;
  readonly applied: boolean;
  readonly failure: Failure | null;
}

/** Time to bring one question to a host and its answer back, in milliseconds. */
const untilMs = 420_000;

/** Asks a run on its host how it stands, confirms it, or has it taken back. */
export async function settleRun(
  stageId: string,
  question: Question,
  { routes, emit, signal }: SettleContext,
): Promise<Settled> {
  const opened = await openRoute(routes, emit, signal);
  if (!opened.ok) {
    const failure = { ...opened.error.failure, access: stillArmed };
    return { route: null, state: null, seconds: 0, applied: false, failure };
  }
  const connection = new Connection(opened.value, (limit) => openRoute(routes, silent, limit));
  try {
    const limits = { untilMs: performance.now() + untilMs, signal };
    const answer = await askSurely(connection, stageId, question, limits);
    const route = connection.session.kind;
    if (answer === null) {
      return { route, state: null, seconds: 0, applied: false, failure: lostFailure(stageId) };
    }
    const { state, seconds, applied } = answer;
    return { route, state, seconds, applied, failure: settleFailure(stageId, question, answer) };
  } finally {
    await connection.close();
  }
}

const silent = (): void => undefined;

const stillArmed = 'If the run is armed, its guard takes everything back by itself.';

/** One run that is on a host. */
export interface HostRunState {
  readonly runId: string;
  readonly state: RunState;
  readonly seconds: number;
}

/** Lists the runs that a host keeps. */
export async function listHostRuns({
  routes,
  emit,
  signal,
}: SettleContext): Promise<Result<readonly HostRunState[], Failure>> {
  const opened = await openRoute(routes, emit, signal);
  if (!opened.ok) {
    return fail(opened.error.failure);
  }
  const { session } = opened.value;
  try {
    const tag = randomBytes(16).toString('hex');
    const reader = new JournalReader(tag);
    const records: JournalRecord[] = [];
    const exit = await session.run(compileRunList(tag), {
      onOutput: (chunk) => records.push(...reader.push(chunk)),
      signal,
      idleMs: 20_000,
    });
    if (!exit.ok) {
      return exit;
    }
    return records.some(({ type }) => type === 'listed')
      ? ok(records.flatMap((record) => (record.type === 'run' ? [record] : [])))
      : fail(lostFailure('all'));
  } finally {
    await session.close();
  }
}

function lostFailure(runId: string): Failure {
  return {
    code: 'contact-lost',
    what: 'The host gave no answer.',
    why: 'the connection was lost, or the program on the host is gone',
    access: stillArmed,
    todo: `Run the same command again. On the host, as root:\n    sh ${stateFolder}/${runId}/program status`,
  };
}

function settleFailure(stageId: string, question: Question, answer: Answer): Failure | null {
  const { state, refusal, said } = answer;
  if (refusal !== null) {
    return refusal.code === 'token' ? tokenFailure(stageId) : refusedFailure(refusal.text);
  }
  if (state === 'none') {
    return {
      code: 'unknown-run',
      what: `Run ${stageId} is not on this host.`,
      why: `there is no ${stateFolder}/${stageId}`,
      access: nothingChanged,
      todo: 'To see the runs that are there:\n    remedy status --host HOST',
    };
  }
  if (state === 'stuck') {
    return {
      code: 'stuck',
      what: `Run ${stageId} could not be taken back in full.`,
      why: said.join('\n'),
      access: halfWay,
      todo: `Look at what is named above. On the host:\n    cat ${stateFolder}/${stageId}/journal`,
    };
  }
  return question.verb === 'status' ? null : otherEnd(stageId, question.verb, state);
}

function otherEnd(stageId: string, verb: 'confirm' | 'revert', state: RunState): Failure | null {
  if (verb === 'confirm') {
    return state === 'confirmed'
      ? null
      : {
          code: 'guard-fired',
          what: `Run ${stageId} cannot be confirmed: it is ${state}.`,
          why: 'the confirmation came too late, or it was taken back',
          access: 'The host is as it was before the run.',
          todo: 'Run the playbooks again. A longer --guard-seconds gives you more time.',
        };
  }
  return state === 'reverted'
    ? null
    : {
        code: 'blocked',
        what: `Run ${stageId} cannot be taken back by its guard: it is ${state}.`,
        why: 'it was confirmed',
        access: 'Its changes are in place.',
        todo: `To undo them as a run of its own, with the same checks:\n    remedy undo ${stageId}`,
      };
}

function tokenFailure(stageId: string): Failure {
  return {
    code: 'wrong-token',
    what: `Run ${stageId} was not confirmed: the token is not its own.`,
    why: 'a run is confirmed by the one-use token of the machine that began it',
    access: stillArmed,
    todo: `Confirm it where it was begun, or on the host, as root:\n    sh ${stateFolder}/${stageId}/program keep`,
  };
}

function refusedFailure(text: string): Failure {
  return {
    code: 'blocked',
    what: 'The host would not do it.',
    why: text,
    access: stillArmed,
    todo: 'Mend what is named above, then run the same command again.',
  };
}
