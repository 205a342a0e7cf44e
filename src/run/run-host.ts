import { nothingChanged, RunFailure, type Failure } from '../core/failure.ts';
import type { FactSet } from '../facts/fact.ts';
import { runsRequest, type OpenRun } from '../facts/runs.ts';
import type { StagePlan } from '../plan/compile.ts';
import { checkStage } from './check.ts';
import { Connection } from './connection.ts';
import {
  blockedFailure,
  checkFailure,
  declinedFailure,
  heldFailure,
  lostAfterChanges,
  requirementFailure,
  shutFailure,
} from './failure.ts';
import { gateAccess } from './gate.ts';
import { shownKeys } from './host-keys.ts';
import type { HostRun } from './host-run.ts';
import { identityRequest, isSameHost, judgeIdentity, wrongHostFailure } from './identity.ts';
import { observe } from './observe.ts';
import { blankResult, HostState, unwrap } from './host-state.ts';
import { openRoute } from './open-route.ts';
import { atLeast } from './prove.ts';
import type { HostResult, Outcome } from './result.ts';
import { runStage } from './run-stage.ts';
import { changesOf, isWhole, type Work } from './work.ts';

/** Runs the work on one host: connect, observe, plan, gate, apply, check, prove, confirm. */
export async function runHost(run: HostRun): Promise<HostResult> {
  const opened = await openRoute(run.routes, run.emit, run.signal);
  if (!opened.ok) {
    return {
      ...blankResult(run),
      outcome: 'unreachable',
      routes: opened.error.tried,
      failure: { ...opened.error.failure, access: nothingChanged },
    };
  }
  const silent = (): void => undefined;
  const { route } = opened.value;
  // The way that worked first, then the others: each once.
  const again = [route, ...run.routes.filter((other) => other !== route)];
  const connection = new Connection(opened.value, (signal) => openRoute(again, silent, signal));
  const state = new HostState(run, connection);
  try {
    return await runWork(state);
  } catch (error) {
    if (error instanceof RunFailure) {
      return failed(state, error.failure);
    }
    throw error;
  } finally {
    await connection.close();
  }
}

async function runWork(state: HostState): Promise<HostResult> {
  let work = unwrap(state.run.work(state.endpoint));
  let facts = await state.observe(work, false);
  await checkIdentity(state, facts);
  state.connection.mustBeSame(async (session, signal) => {
    const seen = await observe(session, [identityRequest], signal);
    return seen.ok && isSameHost(facts.get(identityRequest), seen.value.get(identityRequest));
  });
  let plan = planStage(state, work, facts);
  const open = openRun(facts);
  if (open !== null) {
    state.notices.push(openRunText(open));
  }
  gate(state, work, facts, plan);
  if (state.run.dryRun) {
    return dryRun(state, plan);
  }
  if (changesOf(plan).length === 0 && isWhole(work, plan)) {
    return open === null ? unchanged(state, work, plan, facts) : heldBy(state, open, plan);
  }
  await prepare(state, work, plan, facts);
  for (;;) {
    const end = await runStage(state, work, plan, facts);
    if (end !== null) {
      return end;
    }
    if (isWhole(work, plan)) {
      return state.done('changed', null);
    }
    work = work.after(plan);
    facts = await state.observe(work, false);
    plan = planStage(state, work, facts);
    gate(state, work, facts, plan);
  }
}

/** Refuses a host that is not the one that was meant: a console is easily mistaken for another. */
async function checkIdentity(state: HostState, facts: FactSet): Promise<void> {
  const { meant } = state.run;
  const { route } = state.connection;
  if (meant.name === null && (state.isEndpoint || route.kind === 'local')) {
    return;
  }
  const recordedKeys = await meant.recordedKeys();
  const found = judgeIdentity({ name: meant.name, recordedKeys }, facts, state.endpoint);
  if (found.verdict === 'same') {
    return;
  }
  if (found.verdict === 'other' && (found.certain || route.kind === 'console')) {
    throw new RunFailure(wrongHostFailure(state.endpoint.host, found));
  }
  const name = found.name === null ? 'a host without a name' : `the host ${found.name}`;
  const doubt = `nobody can be sure that this is ${state.endpoint.host}: ${found.because}`;
  state.notices.push(`The way in leads to ${name}; ${doubt}.`);
}

/** The result of a run that a failure ended between its stages. */
function failed(state: HostState, failure: Failure): HostResult {
  if (state.kept && (failure.code === 'connection-lost' || failure.code === 'garbled')) {
    return state.done('unknown', lostAfterChanges(failure));
  }
  const codes: Partial<Record<Failure['code'], Outcome>> = {
    blocked: 'refused',
    declined: 'refused',
    requirement: 'refused',
    'access-gate': 'refused',
    'wrong-host': 'refused',
    'connection-lost': 'unreachable',
  };
  return state.done(codes[failure.code] ?? 'failed', failure);
}

function planStage(state: HostState, work: Work, facts: FactSet): StagePlan {
  const { emit } = state.run;
  const plan = work.plan(facts, state.context);
  const count = changesOf(plan).length;
  // What will not be possible later is not begun either.
  const stop = [...plan.steps, ...plan.foreseen].find(({ action }) => action === 'blocked');
  const changes = `${count} ${count === 1 ? 'change' : 'changes'}`;
  const possible = count === 0 ? 'nothing to change' : changes;
  emit({
    type: 'phase-done',
    phase: 'plan',
    detail: stop === undefined ? possible : 'not possible',
  });
  const later = plan.later.map(({ step, playbook, after, waitsFor }) => ({
    id: step.id,
    playbook: playbook.name,
    after,
    waitsFor,
  }));
  emit({ type: 'plan', steps: plan.steps, later, foreseen: plan.foreseen });
  if (stop !== undefined) {
    state.push(plan, null, []);
    throw new RunFailure(blockedFailure(stop, state.kept));
  }
  return plan;
}

function dryRun(state: HostState, plan: StagePlan): HostResult {
  state.push(plan, null, []);
  if (plan.foreseen.length > 0) {
    state.stages.push({ steps: plan.foreseen, guard: null, checks: [] });
  }
  state.notices.push(
    ...plan.later.map(({ step, after, waitsFor }) =>
      waitsFor === 'proof'
        ? `Step ${step.id} is made only after a fresh login has proven step ${after}.`
        : `Step ${step.id} is decided after step ${after} was made.`,
    ),
  );
  const pending = plan.later.length > 0 || changesOf(plan).length > 0;
  state.facts = plan.facts;
  return state.done(pending ? 'would-change' : 'unchanged', null);
}

/** Asks for leave, then looks from outside how far a login comes without the changes. */
async function prepare(
  state: HostState,
  work: Work,
  plan: StagePlan,
  facts: FactSet,
): Promise<void> {
  const { approve, emit, prober, signal } = state.run;
  const refuse = (failure: Failure): never => {
    state.push(plan, null, []);
    throw new RunFailure(failure);
  };
  if (!(await approve(plan.steps))) {
    refuse(declinedFailure);
  }
  const mustHaveKey = work.requires === 'key-login';
  if (prober === null || (state.isEndpoint && !mustHaveKey)) {
    state.before = state.isEndpoint ? 'login' : null;
    return mustHaveKey ? refuse(requirementFailure(null)) : undefined;
  }
  emit({ type: 'phase', phase: 'probe', detail: 'how far a login comes now' });
  const proof = await prober.before({ port: null, keys: shownKeys(facts) }, signal);
  state.before = proof.level;
  const detail = `before the changes a login comes to: ${proof.level}`;
  emit({ type: 'phase-done', phase: 'probe', detail });
  return mustHaveKey && !proof.byKey ? refuse(requirementFailure(proof)) : undefined;
}

/** Refuses a plan that would lock people out who get in now, or who may. */
function gate(state: HostState, work: Work, facts: FactSet, plan: StagePlan): void {
  const { acceptLoss, accessGate, emit } = state.run;
  const verdict = gateAccess({
    before: facts,
    plan,
    endpoint: state.endpoint,
    proofPort: work.proofPort,
    operator: state.operator,
    acceptLoss,
  });
  state.notices.push(...verdict.notices.filter((notice) => !state.notices.includes(notice)));
  if (verdict.failure !== null && accessGate) {
    emit({ type: 'phase-failed', phase: 'gate', failure: verdict.failure });
    state.push(plan, null, []);
    throw new RunFailure(verdict.failure);
  }
}

/** Nothing to change: whether that means that people get in is looked at all the same. */
async function unchanged(
  state: HostState,
  work: Work,
  plan: StagePlan,
  observed: FactSet,
): Promise<HostResult> {
  const commands = work.checks.some(({ kind }) => kind === 'command');
  const facts = commands ? await state.observe(work, true) : observed;
  const checks = checkStage([], work.checks, facts);
  state.push(plan, null, checks);
  const bad = checks.find((check) => check.state === 'failed');
  if (bad !== undefined) {
    return state.done('unchanged', checkFailure(bad, false));
  }
  if (state.isEndpoint && work.proofPort === null) {
    const by = 'this run came in by such a login';
    state.proof = { level: 'login', by, byKey: false, failure: null };
    return state.done('unchanged', null);
  }
  const proof = await state.prove(facts, work.proofPort);
  if (proof === null || atLeast(proof.level, state.run.proofWanted)) {
    return state.done('unchanged', null);
  }
  const links = state.links(facts, work.proofPort);
  const shut = shutFailure({
    endpoint: state.endpoint,
    changed: false,
    level: proof.level,
    broken: links.find((link) => link.state === 'broken') ?? null,
    login: proof.failure,
  });
  return state.done('unchanged', shut);
}

/** Nothing to change for now: another run has changed it, and may yet be taken back. */
function heldBy(state: HostState, open: OpenRun, plan: StagePlan): HostResult {
  state.push(plan, null, []);
  return state.done('locked', heldFailure(open.runId, openRunText(open)));
}

function openRun(facts: FactSet): OpenRun | null {
  const runs = facts.get(runsRequest);
  return runs.known ? (runs.value[0] ?? null) : null;
}

function openRunText({ runId, state }: OpenRun): string {
  return state === 'armed'
    ? `Run ${runId} on this host waits for its confirmation; what it changed may yet be taken back.`
    : `Run ${runId} on this host is being taken back.`;
}
