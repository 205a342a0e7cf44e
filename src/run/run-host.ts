import { randomBytes } from 'node:crypto';
import { nothingChanged, RunFailure, type Failure } from '../core/failure.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Result } from '../core/result.ts';
import type { FactSet } from '../facts/fact.ts';
import { runsRequest, type OpenRun } from '../facts/runs.ts';
import type { PlanContext } from '../modules/module.ts';
import type { StagePlan } from '../plan/compile.ts';
import type { LoginProof } from '../probe/login.ts';
import { renderTemplateFile } from '../store/templates.ts';
import type { Link } from '../walk/link.ts';
import type { Operator } from '../walk/access.ts';
import { walk } from '../walk/walk.ts';
import { applyStage, type ApplyResult } from './apply.ts';
import { checkStage } from './check.ts';
import { Connection } from './connection.ts';
import {
  blockedFailure,
  checkFailure,
  declinedFailure,
  heldFailure,
  lostAfterChanges,
  proofFailure,
  requirementFailure,
  shutFailure,
  stoppedFailure,
  unconfirmedFailure,
  unprovenFailure,
} from './failure.ts';
import { gateAccess } from './gate.ts';
import type { HostRun } from './host-run.ts';
import { newKeyNotices, shownKeys } from './host-keys.ts';
import { observeHost } from './observe-host.ts';
import { openRoute } from './open-route.ts';
import { atLeast, toProof } from './prove.ts';
import { askSurely } from './question.ts';
import type { HostResult, Outcome, ProofLevel, StageGuard, StageResult } from './result.ts';
import { judge } from './verdict.ts';
import { changesOf, type Work } from './work.ts';

/** Runs the work on one host: connect, observe, plan, gate, apply, check, prove, confirm. */
export async function runHost(run: HostRun): Promise<HostResult> {
  const opened = await openRoute(run.routes, run.emit, run.signal);
  if (!opened.ok) {
    return {
      ...blank(run),
      outcome: 'unreachable',
      failure: { ...opened.error, access: nothingChanged },
    };
  }
  const silent = (): void => undefined;
  const connection = new Connection(opened.value, (signal) =>
    openRoute([opened.value.route, ...run.routes], silent, signal),
  );
  const host = new HostRunner(run, connection);
  try {
    return await host.run();
  } catch (error) {
    if (error instanceof RunFailure) {
      return host.failed(error.failure);
    }
    throw error;
  } finally {
    await connection.close();
  }
}

function blank(run: HostRun): HostResult {
  return {
    host: run.endpoint.host,
    route: null,
    routeDescription: null,
    outcome: 'failed',
    stages: [],
    proof: null,
    links: [],
    notices: [],
    failure: null,
  };
}

/** A stage that was applied and waits for the verdict. */
interface Applied {
  readonly plan: StagePlan;
  readonly guard: StageGuard;
  readonly token: string;
  /** When the guard fires, in milliseconds of `performance.now()`. */
  readonly deadlineMs: number;
}

const earlierKept = 'The stages before it were proven and kept.';

/** How a stage that was applied ended, or null where it is confirmed and the run goes on. */
type StageEnd = HostResult | null;

class HostRunner {
  readonly #run: HostRun;
  readonly #connection: Connection;
  readonly #endpoint: Endpoint;
  readonly #isEndpoint: boolean;
  readonly #notices: string[] = [];
  readonly #stages: StageResult[] = [];
  /** True where an earlier stage was confirmed. */
  #kept = false;
  #before: ProofLevel | null = null;
  #proof: LoginProof | null = null;
  #facts: FactSet | null = null;
  /** The port that the last proof was made on; null for the endpoint's own. */
  #port: number | null = null;

  constructor(run: HostRun, connection: Connection) {
    this.#run = run;
    this.#connection = connection;
    this.#isEndpoint = run.isEndpoint(connection.route);
    this.#endpoint = {
      ...run.endpoint,
      from: run.clientAddress(connection.route, connection.session) ?? run.endpoint.from,
    };
  }

  /** The result of a run that a failure ended. */
  failed(failure: Failure): HostResult {
    if (this.#kept) {
      return failure.code === 'connection-lost' || failure.code === 'garbled'
        ? this.#done('unknown', lostAfterChanges(failure))
        : this.#done('stuck', { ...failure, access: earlierKept });
    }
    const codes: Partial<Record<Failure['code'], Outcome>> = {
      blocked: 'refused',
      declined: 'refused',
      requirement: 'refused',
      'access-gate': 'refused',
      'connection-lost': 'unreachable',
    };
    return this.#done(codes[failure.code] ?? 'failed', failure);
  }

  async run(): Promise<HostResult> {
    let work = unwrap(this.#run.work(this.#endpoint));
    let facts = await this.#observe(work, false);
    let plan = this.#plan(work, facts);
    const open = openRun(facts);
    if (open !== null) {
      this.#notices.push(openRunText(open));
    }
    if (this.#run.dryRun) {
      this.#gate(work, facts, plan);
      return this.#dryRun(plan);
    }
    if (changesOf(plan).length === 0 && isWhole(work, plan)) {
      return open === null ? this.#unchanged(work, plan, facts) : this.#heldBy(open, plan);
    }
    await this.#prepare(work, plan, facts);
    for (;;) {
      this.#gate(work, facts, plan);
      const end = await this.#stage(work, plan, facts);
      if (end !== null) {
        return end;
      }
      if (isWhole(work, plan)) {
        return this.#done('changed', null);
      }
      work = work.after(plan);
      facts = await this.#observe(work, false);
      plan = this.#plan(work, facts);
    }
  }

  /** Nothing to change for now: another run has changed it, and may yet be taken back. */
  #heldBy(open: OpenRun, plan: StagePlan): HostResult {
    this.#push(plan, null, []);
    return this.#done('locked', heldFailure(open.runId, openRunText(open)));
  }

  get #context(): PlanContext {
    return { endpoint: this.#endpoint, runId: this.#run.runId, render: renderTemplateFile };
  }

  get #operator(): Operator | null {
    return this.#run.operator(this.#connection.route, this.#connection.session);
  }

  async #observe(work: Work, withChecks: boolean): Promise<FactSet> {
    const { emit, signal, dryRun } = this.#run;
    const facts = unwrap(
      await observeHost(this.#connection.session, work, this.#context, {
        emit,
        signal,
        operator: this.#operator,
        hostKeys: !dryRun,
        checks: withChecks ? work.checks : [],
      }),
    );
    this.#facts = facts;
    return facts;
  }

  #plan(work: Work, facts: FactSet): StagePlan {
    const { emit } = this.#run;
    const plan = work.plan(facts, this.#context);
    const count = changesOf(plan).length;
    // What will not be possible later is not begun either.
    const stop = [...plan.steps, ...plan.foreseen].find(({ action }) => action === 'blocked');
    emit({
      type: 'phase-done',
      phase: 'plan',
      detail:
        stop !== undefined
          ? 'not possible'
          : count === 0
            ? 'nothing to change'
            : `${count} ${count === 1 ? 'change' : 'changes'}`,
    });
    const later = plan.later.map(({ step, playbook, after, waitsFor }) => ({
      id: step.id,
      playbook: playbook.name,
      after,
      waitsFor,
    }));
    emit({ type: 'plan', steps: plan.steps, later, foreseen: plan.foreseen });
    if (stop !== undefined) {
      this.#push(plan, null, []);
      throw new RunFailure(blockedFailure(stop, this.#kept));
    }
    return plan;
  }

  #dryRun(plan: StagePlan): HostResult {
    this.#push(plan, null, []);
    if (plan.foreseen.length > 0) {
      this.#stages.push({ steps: plan.foreseen, guard: null, checks: [] });
    }
    this.#notices.push(
      ...plan.later.map(({ step, after, waitsFor }) =>
        waitsFor === 'proof'
          ? `Step ${step.id} is made only after a fresh login has proven step ${after}.`
          : `Step ${step.id} is decided after step ${after} was made.`,
      ),
    );
    const pending = plan.later.length > 0 || changesOf(plan).length > 0;
    this.#facts = plan.facts;
    return this.#done(pending ? 'would-change' : 'unchanged', null);
  }

  /** Asks for leave, then looks from outside how far a login comes without the changes. */
  async #prepare(work: Work, plan: StagePlan, facts: FactSet): Promise<void> {
    const { emit, prober, signal } = this.#run;
    this.#gate(work, facts, plan);
    if (!(await this.#run.approve(plan.steps))) {
      this.#push(plan, null, []);
      throw new RunFailure(declinedFailure);
    }
    this.#before = this.#isEndpoint ? 'login' : null;
    const mustHaveKey = work.requires === 'key-login';
    if (prober !== null && (!this.#isEndpoint || mustHaveKey)) {
      emit({ type: 'phase', phase: 'probe', detail: 'how far a login comes now' });
      const proof = await prober.before({ port: null, keys: shownKeys(facts) }, signal);
      this.#before = proof.level;
      emit({
        type: 'phase-done',
        phase: 'probe',
        detail: `before the changes a login comes to: ${this.#before}`,
      });
      if (mustHaveKey && !proof.byKey) {
        this.#push(plan, null, []);
        throw new RunFailure(requirementFailure(proof));
      }
    } else if (mustHaveKey) {
      this.#push(plan, null, []);
      throw new RunFailure(requirementFailure(null));
    }
  }

  /** Refuses a plan that would lock people out who get in now, or who may. */
  #gate(work: Work, facts: FactSet, plan: StagePlan): void {
    const verdict = gateAccess({
      before: facts,
      plan,
      endpoint: this.#endpoint,
      proofPort: work.proofPort,
      operator: this.#operator,
      acceptLoss: this.#run.acceptLoss,
    });
    this.#notices.push(...verdict.notices.filter((notice) => !this.#notices.includes(notice)));
    if (verdict.failure !== null && this.#run.accessGate) {
      this.#run.emit({ type: 'phase-failed', phase: 'gate', failure: verdict.failure });
      this.#push(plan, null, []);
      throw new RunFailure(verdict.failure);
    }
  }

  /** One stage: apply under a guard, look again, prove, and keep or take back. */
  async #stage(work: Work, plan: StagePlan, facts: FactSet): Promise<StageEnd> {
    const changes = changesOf(plan);
    if (changes.length === 0) {
      this.#push(plan, null, []);
      return waitsForProof(work, plan) ? this.#proveFirst(work, facts) : null;
    }
    const { emit, runId, guardSeconds, receipts, signal } = this.#run;
    const count = this.#stages.filter(({ guard }) => guard !== null).length;
    const stageId = count === 0 ? runId : `${runId}-${count + 1}`;
    const token = randomBytes(24).toString('hex');
    await receipts.begin({ runId: stageId, title: work.title, token }, plan, facts);
    emit({
      type: 'phase',
      phase: 'apply',
      detail: `${changes.length} ${changes.length === 1 ? 'change' : 'changes'} by one program, under a guard`,
    });
    const about = [`${this.#endpoint.host}: ${work.title}`];
    const stage = { runId: stageId, changes, guardSeconds, confirmToken: token, about };
    const applied = await applyStage(this.#connection, stage, emit, signal);
    if (applied.outcome !== 'applied' || applied.guard === null) {
      return this.#notApplied(plan, stageId, applied);
    }
    emit({
      type: 'phase-done',
      phase: 'apply',
      detail: `${changes.length} of ${changes.length} done`,
    });
    const guard: StageGuard = { runId: stageId, ...applied.guard, state: 'armed' };
    const deadlineMs = performance.now() + guardSeconds * 1000;
    return this.#decide(work, { plan, guard, token, deadlineMs });
  }

  /** The next stage waits for a login, and this one has nothing to do: the login is made all the same. */
  async #proveFirst(work: Work, facts: FactSet): Promise<StageEnd> {
    const proof = await this.#prove(facts, work.proofPort);
    this.#proof = proof;
    if (proof !== null && atLeast(proof.level, 'login')) {
      return null;
    }
    const failure = proof === null ? unprovenFailure : proofFailure(proof, null, 'demanded');
    return this.#done(this.#kept ? 'stuck' : 'refused', { ...failure, access: nothingChanged });
  }

  async #notApplied(plan: StagePlan, stageId: string, applied: ApplyResult): Promise<HostResult> {
    const { emit, receipts, signal } = this.#run;
    const states: Partial<Record<ApplyResult['outcome'], StageGuard['state']>> = {
      reverted: 'reverted',
      stuck: 'stuck',
      unknown: 'armed',
    };
    const state = states[applied.outcome] ?? null;
    const guard =
      state === null || applied.guard === null ? null : { runId: stageId, ...applied.guard, state };
    this.#push(plan, guard, []);
    await receipts.settle(stageId, state ?? 'not-begun');
    if (state === 'reverted') {
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
    // An earlier stage was kept, so the host is not as it was.
    return this.#done(this.#kept && outcome !== 'unknown' ? 'stuck' : outcome, failure);
  }

  async #decide(work: Work, applied: Applied): Promise<StageEnd> {
    const { emit, prober, signal, proofWanted } = this.#run;
    const last = isWhole(work, applied.plan);
    const waits = waitsForProof(work, applied.plan);
    emit({ type: 'phase', phase: 'check', detail: 'the host is looked at again' });
    const facts = await this.#observeAgain(work, last, applied);
    if (facts === null) {
      return this.#takeBack(applied, [], lookFailure(signal, applied.guard.runId));
    }
    const again = work.again(applied.plan, facts, this.#context);
    const checks = checkStage(again, last ? work.checks : [], facts);
    const bad = checks.filter(({ state }) => state === 'failed').length;
    emit({
      type: 'phase-done',
      phase: 'check',
      detail: bad === 0 ? 'every step holds' : `${bad} of ${checks.length} checks failed`,
    });
    if (changesOf(applied.plan).some(({ kind }) => kind === 'host-key')) {
      this.#notices.push(...newKeyNotices(facts, this.#run.forgetHostKeys));
    }
    // A login is asked for only where a middle stage waits for it, or at the end.
    const asks = last || waits;
    const port = asks ? work.proofPort : null;
    this.#proof = prober === null || !asks || bad > 0 ? null : await this.#prove(facts, port);
    if (signal.aborted) {
      return this.#takeBack(applied, checks, stoppedFailure(true, applied.guard.runId));
    }
    const verdict = judge({
      endpoint: this.#endpoint,
      checks,
      before: this.#before,
      after: this.#proof,
      links: this.#links(facts, port),
      loginDemanded: waits || work.checks.some(({ kind }) => kind === 'login'),
      wanted: proofWanted,
      lossAccepted: this.#run.acceptLoss.includes(this.#endpoint.user),
    });
    if (!verdict.keep && performance.now() > applied.deadlineMs) {
      return this.#takeBack(applied, checks, unconfirmedFailure(applied.guard.runId, 'reverted'));
    }
    return verdict.keep
      ? this.#confirm(applied, checks, verdict.failure)
      : this.#takeBack(applied, checks, verdict.failure);
  }

  /** Looks again, over a new connection where the old one was lost; null where time ran out. */
  async #observeAgain(work: Work, last: boolean, applied: Applied): Promise<FactSet | null> {
    const { signal } = this.#run;
    for (;;) {
      const session = await this.#connection.restore(applied.deadlineMs, signal);
      if (session === null) {
        return null;
      }
      try {
        return await this.#observe(work, last);
      } catch (error) {
        if (!(error instanceof RunFailure) || signal.aborted) {
          return null;
        }
        if (error.failure.code !== 'connection-lost' || performance.now() > applied.deadlineMs) {
          return null;
        }
        this.#connection.markLost();
      }
    }
  }

  async #prove(facts: FactSet, port: number | null): Promise<LoginProof | null> {
    const { emit, prober, proofWanted, signal } = this.#run;
    const where = port === null ? '' : ` on port ${port}`;
    this.#port = port;
    emit({
      type: 'phase',
      phase: 'prove',
      detail: `a fresh login as ${this.#endpoint.user}${where}`,
    });
    const proof = (await prober?.after({ port, keys: shownKeys(facts) }, signal)) ?? null;
    if (proof !== null && atLeast(proof.level, proofWanted)) {
      emit({ type: 'phase-done', phase: 'prove', detail: `${proof.level}: ${proof.by}` });
    } else if (proof?.failure !== null && proof !== null) {
      emit({ type: 'phase-failed', phase: 'prove', failure: proof.failure });
    }
    return proof;
  }

  async #confirm(
    applied: Applied,
    checks: StageResult['checks'],
    failure: Failure | null,
  ): Promise<StageEnd> {
    const { emit, receipts, signal } = this.#run;
    const { guard, plan } = applied;
    emit({
      type: 'phase',
      phase: 'confirm',
      detail: `the guard is told that run ${guard.runId} stays`,
    });
    const question = { verb: 'confirm', token: applied.token } as const;
    // Beyond the deadline too: then to learn what the guard has done.
    const limits = { untilMs: applied.deadlineMs + 60_000, signal };
    const answer = await askSurely(this.#connection, guard.runId, question, limits);
    if (answer?.state === 'confirmed') {
      emit({ type: 'phase-done', phase: 'confirm', detail: 'kept' });
      emit({ type: 'settled', runId: guard.runId, how: 'confirmed' });
      this.#push(plan, { ...guard, state: 'confirmed' }, checks);
      this.#kept = true;
      await receipts.settle(guard.runId, 'confirmed', this.#facts);
      return failure === null ? null : this.#done('changed', failure);
    }
    const reverted = answer?.state === 'reverted';
    const state = reverted ? 'reverted' : answer?.state === 'stuck' ? 'stuck' : 'armed';
    const lost = unconfirmedFailure(guard.runId, answer?.state ?? null);
    emit({ type: 'phase-failed', phase: 'confirm', failure: lost });
    this.#push(plan, { ...guard, state }, checks);
    await receipts.settle(guard.runId, state);
    return this.#done(reverted ? 'reverted' : state === 'stuck' ? 'stuck' : 'unknown', lost);
  }

  async #takeBack(
    applied: Applied,
    checks: StageResult['checks'],
    failure: Failure,
  ): Promise<HostResult> {
    const { emit, receipts } = this.#run;
    const { guard, plan } = applied;
    emit({ type: 'phase', phase: 'revert', detail: `run ${guard.runId} is taken back` });
    const limits = {
      untilMs: applied.deadlineMs + 60_000,
      signal: new AbortController().signal,
    };
    const answer = await askSurely(this.#connection, guard.runId, { verb: 'revert' }, limits);
    const state =
      answer?.state === 'reverted' ? 'reverted' : answer?.state === 'stuck' ? 'stuck' : 'armed';
    this.#push(plan, { ...guard, state }, checks);
    await receipts.settle(guard.runId, state);
    if (state === 'reverted') {
      emit({ type: 'phase-done', phase: 'revert', detail: 'the host is as it was' });
      emit({ type: 'settled', runId: guard.runId, how: 'reverted' });
      return this.#done(this.#kept ? 'stuck' : 'reverted', failure);
    }
    const words = unsettledFailure(failure, state, guard.runId, answer?.said ?? []);
    emit({ type: 'phase-failed', phase: 'revert', failure: words });
    return this.#done(state === 'stuck' ? 'stuck' : 'unknown', words);
  }

  /** Nothing to change: whether that means that people get in is looked at all the same. */
  async #unchanged(work: Work, plan: StagePlan, observed: FactSet): Promise<HostResult> {
    const { prober, proofWanted } = this.#run;
    const commands = work.checks.some(({ kind }) => kind === 'command');
    const facts = commands ? await this.#observe(work, true) : observed;
    const checks = checkStage([], work.checks, facts);
    this.#push(plan, null, checks);
    const bad = checks.find(({ state }) => state === 'failed');
    if (bad !== undefined) {
      return this.#done('unchanged', checkFailure(bad, false));
    }
    if (this.#isEndpoint && work.proofPort === null) {
      const by = 'this run came in by such a login';
      this.#proof = { level: 'login', by, byKey: false, failure: null };
      return this.#done('unchanged', null);
    }
    if (prober === null) {
      return this.#done('unchanged', null);
    }
    const proof = await this.#prove(facts, work.proofPort);
    this.#proof = proof;
    if (proof === null || atLeast(proof.level, proofWanted)) {
      return this.#done('unchanged', null);
    }
    const broken =
      this.#links(facts, work.proofPort).find(({ state }) => state === 'broken') ?? null;
    const { level, failure: login } = proof;
    const shut = { endpoint: this.#endpoint, changed: false, level, broken, login };
    return this.#done('unchanged', shutFailure(shut));
  }

  #links(facts: FactSet, port: number | null): Link[] {
    return walk(facts, port === null ? this.#endpoint : { ...this.#endpoint, port });
  }

  #push(plan: StagePlan, guard: StageGuard | null, checks: StageResult['checks']): void {
    this.#stages.push({ steps: plan.steps, guard, checks });
  }

  #done(outcome: Outcome, failure: Failure | null): HostResult {
    const session = this.#connection.session;
    return {
      ...blank(this.#run),
      route: session.kind,
      routeDescription: session.description,
      outcome,
      stages: this.#stages,
      links: this.#facts === null ? [] : this.#links(this.#facts, this.#port),
      notices: this.#notices,
      proof: this.#proof === null ? null : toProof(this.#proof, this.#before),
      failure,
    };
  }
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

/** Whether a plan holds all that is left of the work. */
function isWhole(work: Work, plan: StagePlan): boolean {
  return work.isLast && plan.later.length === 0;
}

/** Whether what comes after a stage is begun only after a fresh login. */
function waitsForProof(work: Work, plan: StagePlan): boolean {
  return !work.isLast || plan.later.some(({ waitsFor }) => waitsFor === 'proof');
}

function lookFailure(signal: AbortSignal, runId: string): Failure {
  return signal.aborted ? stoppedFailure(true, runId) : unconfirmedFailure(runId, 'reverted');
}

function unsettledFailure(
  failure: Failure,
  state: 'stuck' | 'armed',
  runId: string,
  said: readonly string[],
): Failure {
  const open = unconfirmedFailure(runId, null);
  return state === 'armed'
    ? { ...open, why: `${failure.what} ${failure.why}` }
    : {
        ...failure,
        code: 'stuck',
        what: `${failure.what} Not everything could be taken back.`,
        why: [failure.why, ...said].join('\n'),
        access:
          'Do not close the session you have: the host is neither as it was nor as it should be.',
        todo: open.todo,
      };
}

function unwrap<T>(result: Result<T, Failure>): T {
  if (!result.ok) {
    throw new RunFailure(result.error);
  }
  return result.value;
}
