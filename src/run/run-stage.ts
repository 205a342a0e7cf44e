import { randomBytes } from 'node:crypto';
import { nothingChanged, RunFailure, type Failure } from '../core/failure.ts';
import { Secret } from '../core/secret.ts';
import type { FactSet } from '../facts/fact.ts';
import type { StagePlan } from '../plan/compile.ts';
import { applyStage, type ApplyResult } from './apply.ts';
import { checkStage } from './check.ts';
import {
  proofFailure,
  stoppedFailure,
  stuckRevertFailure,
  unconfirmedFailure,
  unprovenFailure,
} from './failure.ts';
import { newKeyNotices } from './host-keys.ts';
import type { HostState } from './host-state.ts';
import { atLeast } from './prove.ts';
import { askSurely } from './question.ts';
import type { CheckResult, HostResult, StageGuard } from './result.ts';
import { judge } from './verdict.ts';
import { changesOf, isWhole, waitsForProof, type Work } from './work.ts';

/** A stage that was applied and waits for the verdict. */
interface Applied {
  readonly plan: StagePlan;
  readonly guard: StageGuard;
  readonly token: Secret;
  /** When the guard fires, in milliseconds of `performance.now()`. */
  readonly deadlineMs: number;
}

/** Time after the guard's deadline in which it is still asked what it has done, in milliseconds. */
const afterDeadlineMs = 60_000;

/**
 * One stage: apply under a guard, look again, prove, and keep or take back. Null where it was kept and
 * the run goes on, else the end of the run.
 */
export async function runStage(
  state: HostState,
  work: Work,
  plan: StagePlan,
  facts: FactSet,
): Promise<HostResult | null> {
  const changes = changesOf(plan);
  if (changes.length === 0) {
    state.push(plan, null, []);
    return waitsForProof(work, plan) ? proveFirst(state, work, facts) : null;
  }
  const { emit, runId, receipts, signal } = state.run;
  const { guardSeconds } = state;
  const begun = state.stages.filter(({ guard }) => guard !== null).length;
  const stageId = begun === 0 ? runId : `${runId}-${begun + 1}`;
  const token = new Secret(randomBytes(24).toString('hex'));
  await receipts.begin({ runId: stageId, title: work.title, token }, plan, facts);
  const count = `${changes.length} ${changes.length === 1 ? 'change' : 'changes'}`;
  emit({ type: 'phase', phase: 'apply', detail: `${count} by one program, under a guard` });
  const about = [`${state.endpoint.host}: ${work.title}`];
  const stage = { runId: stageId, changes, guardSeconds, confirmToken: token, about };
  const applied = await applyStage(state.connection, stage, emit, signal);
  if (applied.outcome !== 'applied' || applied.guard === null) {
    return notApplied(state, plan, stageId, applied);
  }
  const all = `${changes.length} of ${changes.length}`;
  emit({ type: 'phase-done', phase: 'apply', detail: `${all} done` });
  const guard: StageGuard = { runId: stageId, ...applied.guard, state: 'armed' };
  const deadlineMs = performance.now() + guardSeconds * 1000;
  return decide(state, work, { plan, guard, token, deadlineMs });
}

/** The next stage waits for a login, and this one has nothing to do: the login is made all the same. */
async function proveFirst(
  state: HostState,
  work: Work,
  facts: FactSet,
): Promise<HostResult | null> {
  const proof = await state.prove(facts, work.proofPort);
  if (proof !== null && atLeast(proof.level, 'login')) {
    return null;
  }
  const failure = proof === null ? unprovenFailure : proofFailure(proof, null, 'demanded');
  return state.done('refused', { ...failure, access: nothingChanged });
}

async function notApplied(
  state: HostState,
  plan: StagePlan,
  stageId: string,
  applied: ApplyResult,
): Promise<HostResult> {
  const { emit, receipts, signal } = state.run;
  const guardStates: Partial<Record<ApplyResult['outcome'], StageGuard['state']>> = {
    reverted: 'reverted',
    stuck: 'stuck',
    unknown: 'armed',
  };
  const is = guardStates[applied.outcome] ?? null;
  const guard =
    is === null || applied.guard === null ? null : { runId: stageId, ...applied.guard, state: is };
  state.push(plan, guard, []);
  await receipts.settle(stageId, is ?? 'not-begun');
  if (is === 'reverted') {
    emit({ type: 'settled', runId: stageId, how: 'reverted' });
  }
  const failure =
    signal.aborted && applied.outcome !== 'stuck'
      ? stoppedFailure(applied.outcome !== 'unknown', stageId)
      : applied.failure;
  if (failure !== null) {
    emit({ type: 'phase-failed', phase: 'apply', failure });
  }
  const outcome = applied.outcome === 'applied' ? 'unknown' : applied.outcome;
  return state.done(outcome, failure);
}

async function decide(state: HostState, work: Work, applied: Applied): Promise<HostResult | null> {
  const { acceptLoss, emit, forgetHostKeys, signal, proofWanted } = state.run;
  const { plan, guard } = applied;
  const last = isWhole(work, plan);
  const waits = waitsForProof(work, plan);
  emit({ type: 'phase', phase: 'check', detail: 'the host is looked at again' });
  const facts = await observeAgain(state, work, last, applied);
  if (facts === null) {
    const failure = signal.aborted
      ? stoppedFailure(true, guard.runId)
      : unconfirmedFailure(guard.runId, 'reverted');
    return takeBack(state, applied, [], failure);
  }
  const again = work.again(plan, facts, state.context);
  const checks = checkStage(again, last ? work.checks : [], facts);
  const bad = checks.filter((check) => check.state === 'failed').length;
  const holds = bad === 0 ? 'every step holds' : `${bad} of ${checks.length} checks failed`;
  emit({ type: 'phase-done', phase: 'check', detail: holds });
  if (changesOf(plan).some(({ kind }) => kind === 'host-key')) {
    state.notices.push(...newKeyNotices(facts, forgetHostKeys));
  }
  // A login is asked for only where the next stage waits for it, or at the end.
  const asks = last || waits;
  const port = asks ? work.proofPort : null;
  const proof = asks && bad === 0 ? await state.prove(facts, port) : null;
  if (signal.aborted) {
    return takeBack(state, applied, checks, stoppedFailure(true, guard.runId));
  }
  const verdict = judge({
    endpoint: state.endpoint,
    checks,
    before: state.before,
    after: proof,
    links: state.links(facts, port),
    loginDemanded: waits || work.checks.some(({ kind }) => kind === 'login'),
    wanted: proofWanted,
    lossAccepted: acceptLoss.includes(state.endpoint.user),
  });
  if (verdict.keep) {
    return confirm(state, applied, checks, verdict.failure);
  }
  // What was seen after the guard has fired says nothing about the changes.
  const late = performance.now() > applied.deadlineMs;
  const failure = late ? unconfirmedFailure(guard.runId, 'reverted') : verdict.failure;
  return takeBack(state, applied, checks, failure);
}

/** Looks again, over a new connection where the old one was lost; null where time ran out. */
async function observeAgain(
  state: HostState,
  work: Work,
  last: boolean,
  applied: Applied,
): Promise<FactSet | null> {
  const { signal } = state.run;
  for (;;) {
    const session = await state.connection.restore(applied.deadlineMs, signal);
    if (session === null) {
      return null;
    }
    try {
      return await state.observe(work, last);
    } catch (error) {
      const lost = error instanceof RunFailure && error.failure.code === 'connection-lost';
      if (!lost || signal.aborted || performance.now() > applied.deadlineMs) {
        return null;
      }
      state.connection.markLost();
    }
  }
}

async function confirm(
  state: HostState,
  applied: Applied,
  checks: readonly CheckResult[],
  failure: Failure | null,
): Promise<HostResult | null> {
  const { emit, receipts, signal } = state.run;
  const { guard, plan, token } = applied;
  const what = `the guard is told that run ${guard.runId} stays`;
  emit({ type: 'phase', phase: 'confirm', detail: what });
  // Beyond the deadline too: then to learn what the guard has done.
  const limits = { untilMs: applied.deadlineMs + afterDeadlineMs, signal };
  const question = { verb: 'confirm', token } as const;
  const answer = await askSurely(state.connection, guard.runId, question, limits);
  if (answer?.state === 'confirmed') {
    emit({ type: 'phase-done', phase: 'confirm', detail: 'kept' });
    emit({ type: 'settled', runId: guard.runId, how: 'confirmed' });
    state.push(plan, { ...guard, state: 'confirmed' }, checks);
    state.kept = true;
    await receipts.settle(guard.runId, 'confirmed', state.facts);
    return failure === null ? null : state.done('changed', failure);
  }
  if (answer?.state === 'armed' || signal.aborted) {
    const why = signal.aborted
      ? stoppedFailure(true, guard.runId)
      : unconfirmedFailure(guard.runId, null);
    return takeBack(state, applied, checks, why);
  }
  const is = guardState(answer?.state);
  const lost = unconfirmedFailure(guard.runId, answer?.state ?? null);
  emit({ type: 'phase-failed', phase: 'confirm', failure: lost });
  state.push(plan, { ...guard, state: is }, checks);
  await receipts.settle(guard.runId, is);
  return state.done(is === 'armed' ? 'unknown' : is, lost);
}

function guardState(state: string | undefined): 'armed' | 'reverted' | 'stuck' {
  return state === 'reverted' || state === 'stuck' ? state : 'armed';
}

async function takeBack(
  state: HostState,
  applied: Applied,
  checks: readonly CheckResult[],
  failure: Failure,
): Promise<HostResult> {
  const { emit, receipts } = state.run;
  const { guard, plan } = applied;
  emit({ type: 'phase', phase: 'revert', detail: `run ${guard.runId} is taken back` });
  // The person's wish to stop is no reason to stop this.
  const { signal } = new AbortController();
  const limits = { untilMs: applied.deadlineMs + afterDeadlineMs, signal };
  const answer = await askSurely(state.connection, guard.runId, { verb: 'revert' }, limits);
  if (answer?.state === 'confirmed') {
    // The confirmation was under way when the person said stop, and came first.
    state.notices.push(`Run ${guard.runId} was confirmed before it could be taken back.`);
    state.push(plan, { ...guard, state: 'confirmed' }, checks);
    await receipts.settle(guard.runId, 'confirmed', state.facts);
    emit({ type: 'settled', runId: guard.runId, how: 'confirmed' });
    return state.done('changed', null);
  }
  const is = guardState(answer?.state);
  state.push(plan, { ...guard, state: is }, checks);
  await receipts.settle(guard.runId, is);
  if (is === 'reverted') {
    emit({ type: 'phase-done', phase: 'revert', detail: 'the host is as it was' });
    emit({ type: 'settled', runId: guard.runId, how: 'reverted' });
    return state.done('reverted', failure);
  }
  const open =
    is === 'stuck'
      ? stuckRevertFailure(failure, guard.runId, answer?.said ?? [])
      : {
          ...unconfirmedFailure(guard.runId, null),
          why: `${failure.what} ${failure.why}`,
        };
  emit({ type: 'phase-failed', phase: 'revert', failure: open });
  return state.done(is === 'stuck' ? 'stuck' : 'unknown', open);
}
