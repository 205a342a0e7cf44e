import type { Emit } from '../core/event.ts';
import type { ClientAddress, Endpoint } from '../core/endpoint.ts';
import { nothingChanged, RunFailure, type Failure } from '../core/failure.ts';
import type { Result } from '../core/result.ts';
import type { FactSet } from '../facts/fact.ts';
import { hostKeysRequest } from '../modules/host-keys.ts';
import type { PlanContext } from '../modules/module.ts';
import {
  compileStagePlan,
  queueSteps,
  requestsFor,
  type QueuedStep,
  type StagePlan,
} from '../plan/compile.ts';
import { stageChanges, type PlannedStep } from '../plan/plan.ts';
import type { BoundPlaybook, Check } from '../playbook/playbook.ts';
import type { HostKey } from '../route/known-hosts.ts';
import type { Route, Session } from '../route/route.ts';
import { renderTemplateFile } from '../store/templates.ts';
import { brokenLink, walk, walkRequests } from '../walk/walk.ts';
import { applyStage } from './apply.ts';
import { checkStage, commandRequests } from './check.ts';
import {
  blockedFailure,
  checkFailure,
  declinedFailure,
  lostAfterChanges,
  shutFailure,
} from './failure.ts';
import { observe } from './observe.ts';
import { openRoute } from './open-route.ts';
import { atLeast, toProof, type Prober } from './prove.ts';
import type { CheckResult, HostResult, Outcome, Proof, ProofLevel, StageResult } from './result.ts';

/** What a run over one host is made of. */
export interface HostRun {
  readonly runId: string;
  /** The endpoint as far as it is known before the host was asked. */
  readonly endpoint: Endpoint;
  readonly routes: readonly Route[];
  /** The client's address that the session shows, where the route takes the endpoint's own path. */
  readonly clientAddress: (route: Route, session: Session) => ClientAddress | null;
  /** True where the route is a login to the endpoint itself: then it works already. */
  readonly isEndpoint: (route: Route) => boolean;
  /** Binds the playbooks once the endpoint is known in full. */
  readonly bind: (endpoint: Endpoint) => Result<readonly BoundPlaybook[], Failure>;
  readonly dryRun: boolean;
  /** Asks whether the planned steps are to be applied. */
  readonly approve: (steps: readonly PlannedStep[]) => Promise<boolean>;
  /** Null where nobody can look from outside. */
  readonly prober: Prober | null;
  /** What a proof must reach; `login` unless the endpoint is this machine. */
  readonly proofWanted: ProofLevel;
  /** The command that takes the endpoint's old keys out of known_hosts, for people. */
  readonly forgetHostKeys: string;
  readonly emit: Emit;
  readonly signal: AbortSignal;
}

/** Runs the playbooks on one host: connect, observe, plan, apply, check, prove. */
export async function runHost(run: HostRun): Promise<HostResult> {
  const opened = await openRoute(run.routes, run.emit, run.signal);
  if (!opened.ok) {
    return {
      ...blank(run),
      outcome: 'unreachable',
      failure: { ...opened.error, access: nothingChanged },
    };
  }
  const { route, session } = opened.value;
  const host = new HostRunner(run, route, session);
  try {
    return await host.run();
  } catch (error) {
    if (error instanceof RunFailure) {
      return host.failed(error.failure);
    }
    throw error;
  } finally {
    await session.close();
  }
}

function blank(run: HostRun): HostResult {
  const host = run.endpoint.host;
  return {
    host,
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

class HostRunner {
  readonly #run: HostRun;
  readonly #session: Session;
  readonly #endpoint: Endpoint;
  readonly #isEndpoint: boolean;
  readonly #notices: string[] = [];
  readonly #stages: StageResult[] = [];
  #changed = false;
  #before: ProofLevel | null = null;
  #facts: FactSet | null = null;
  #result: HostResult;

  constructor(run: HostRun, route: Route, session: Session) {
    this.#run = run;
    this.#session = session;
    this.#isEndpoint = run.isEndpoint(route);
    this.#endpoint = {
      ...run.endpoint,
      from: run.clientAddress(route, session) ?? run.endpoint.from,
    };
    this.#result = { ...blank(run), route: session.kind, routeDescription: session.description };
  }

  /** The result of a run that a failure ended. */
  failed(failure: Failure): HostResult {
    if (this.#changed) {
      return this.#done('unknown', {
        failure: failure.code === 'blocked' ? failure : lostAfterChanges(failure),
      });
    }
    const codes: Partial<Record<Failure['code'], Outcome>> = {
      blocked: 'refused',
      declined: 'refused',
      'connection-lost': 'unreachable',
    };
    return this.#done(codes[failure.code] ?? 'failed', { failure });
  }

  async run(): Promise<HostResult> {
    const playbooks = unwrap(this.#run.bind(this.#endpoint));
    const checks = playbooks.flatMap((playbook) => playbook.checks);
    let queue: readonly QueuedStep[] = queueSteps(playbooks);
    let facts = await this.#observe(queue, []);
    let plan = this.#plan(queue, facts);
    if (this.#run.dryRun) {
      return this.#dryRun(plan);
    }
    if (stageChanges({ steps: plan.steps, checks }).length === 0 && plan.later.length === 0) {
      return this.#unchanged(plan, facts, checks);
    }
    await this.#prepare(plan);
    for (;;) {
      const failure = await this.#applyStage(plan);
      if (failure !== null) {
        return failure;
      }
      const last = plan.later.length === 0;
      const wanted = last ? checks : [];
      facts = await this.#observe(queue, wanted);
      const results = await this.#check(queue, plan.later, facts, wanted);
      this.#stages.push({ steps: plan.steps, checks: results });
      const bad = results.find(({ state }) => state === 'failed');
      if (bad !== undefined) {
        return this.#done('stuck', { facts, failure: checkFailure(bad, true) });
      }
      if (last) {
        return this.#prove(facts, checks);
      }
      queue = plan.later;
      plan = this.#plan(queue, facts);
    }
  }

  get #context(): PlanContext {
    return { endpoint: this.#endpoint, runId: this.#run.runId, render: renderTemplateFile };
  }

  async #observe(queue: readonly QueuedStep[], checks: readonly Check[]): Promise<FactSet> {
    const { emit, signal } = this.#run;
    const context = this.#context;
    const requests = [
      ...requestsFor(queue, context),
      ...walkRequests(this.#endpoint),
      // Over a way in that is verified, the host itself says which keys are its own.
      ...(this.#run.dryRun ? [] : [hostKeysRequest]),
      ...commandRequests(checks),
    ];
    emit({
      type: 'phase',
      phase: 'observe',
      detail: `${new Set(requests.map(({ name }) => name)).size} facts by one read-only program`,
    });
    const facts = unwrap(await observe(this.#session, requests, signal));
    this.#facts = facts;
    emit({ type: 'phase-done', phase: 'observe', detail: describeFrom(this.#endpoint) });
    return facts;
  }

  #plan(queue: readonly QueuedStep[], facts: FactSet): StagePlan {
    const { emit } = this.#run;
    const plan = compileStagePlan(queue, facts, this.#context);
    const count = plan.steps.flatMap(({ changes }) => changes).length;
    const blocked = plan.steps.some(({ action }) => action === 'blocked');
    emit({
      type: 'phase-done',
      phase: 'plan',
      detail: blocked
        ? 'not possible'
        : count === 0
          ? 'nothing to change'
          : `${count} ${count === 1 ? 'change' : 'changes'}`,
    });
    emit({
      type: 'plan',
      steps: plan.steps,
      later: plan.later.map(({ step, playbook, after }) => ({
        id: step.id,
        playbook: playbook.name,
        after,
      })),
    });
    const stop = plan.steps.find(({ action }) => action === 'blocked');
    if (stop !== undefined) {
      this.#stages.push({ steps: plan.steps, checks: [] });
      throw new RunFailure(blockedFailure(stop, this.#changed));
    }
    return plan;
  }

  #dryRun(plan: StagePlan): HostResult {
    this.#stages.push({ steps: plan.steps, checks: [] });
    this.#notices.push(
      ...plan.later.map(
        ({ step, after }) => `Step ${step.id} is decided after step ${after} was made.`,
      ),
    );
    const pending = plan.later.length > 0 || plan.steps.some(({ changes }) => changes.length > 0);
    return this.#done(pending ? 'would-change' : 'unchanged', { facts: plan.facts });
  }

  /** Asks for leave, then looks from outside how far a login comes without the changes. */
  async #prepare(plan: StagePlan): Promise<void> {
    if (!(await this.#run.approve(plan.steps))) {
      this.#stages.push({ steps: plan.steps, checks: [] });
      throw new RunFailure(declinedFailure);
    }
    if (this.#isEndpoint) {
      this.#before = 'login';
    } else if (this.#run.prober !== null) {
      this.#run.emit({ type: 'phase', phase: 'probe', detail: 'how far a login comes now' });
      this.#before = await this.#run.prober.before(this.#run.signal);
      this.#run.emit({
        type: 'phase-done',
        phase: 'probe',
        detail: `before the changes a login comes to: ${this.#before}`,
      });
    }
  }

  async #applyStage(plan: StagePlan): Promise<HostResult | null> {
    const changes = stageChanges({ steps: plan.steps, checks: [] });
    if (changes.length === 0) {
      return null;
    }
    const { emit, runId, signal } = this.#run;
    const stageId = this.#stages.length === 0 ? runId : `${runId}-${this.#stages.length + 1}`;
    emit({
      type: 'phase',
      phase: 'apply',
      detail: `${changes.length} ${changes.length === 1 ? 'change' : 'changes'} by one program`,
    });
    const applied = await applyStage(this.#session, { runId: stageId, changes }, emit, signal);
    if (applied.failure !== null) {
      emit({ type: 'phase-failed', phase: 'apply', failure: applied.failure });
      this.#stages.push({ steps: plan.steps, checks: [] });
      // An earlier stage was kept, so the host is not as it was.
      const outcome = this.#changed && applied.outcome !== 'unknown' ? 'stuck' : applied.outcome;
      return this.#done(outcome, { failure: applied.failure });
    }
    this.#changed = true;
    emit({
      type: 'phase-done',
      phase: 'apply',
      detail: `${changes.length} of ${changes.length} done`,
    });
    return null;
  }

  async #check(
    queue: readonly QueuedStep[],
    later: readonly QueuedStep[],
    facts: FactSet,
    checks: readonly Check[],
  ): Promise<CheckResult[]> {
    const { emit } = this.#run;
    emit({ type: 'phase', phase: 'check', detail: 'the host is looked at again' });
    const done = queue.filter((one) => !later.some(({ step }) => step === one.step));
    const again = compileStagePlan(done, facts, this.#context);
    const results = checkStage(again.steps, checks, facts);
    const failed = results.filter(({ state }) => state === 'failed').length;
    emit({
      type: 'phase-done',
      phase: 'check',
      detail: failed === 0 ? 'every step holds' : `${failed} of ${results.length} checks failed`,
    });
    return results;
  }

  /** Nothing to change: whether that means that people get in is looked at all the same. */
  async #unchanged(
    plan: StagePlan,
    observed: FactSet,
    checks: readonly Check[],
  ): Promise<HostResult> {
    const commands = checks.some(({ kind }) => kind === 'command');
    const facts = commands ? await this.#observe([], checks) : observed;
    const results = checkStage([], checks, facts);
    this.#stages.push({ steps: plan.steps, checks: results });
    const bad = results.find(({ state }) => state === 'failed');
    if (bad !== undefined) {
      return this.#done('unchanged', { facts, failure: checkFailure(bad, false) });
    }
    if (this.#isEndpoint) {
      const by = 'this run came in by such a login';
      return this.#done('unchanged', { facts, proof: { level: 'login', before: null, by } });
    }
    return this.#prove(facts, checks);
  }

  async #prove(facts: FactSet, checks: readonly Check[]): Promise<HostResult> {
    const { emit, prober, proofWanted, signal } = this.#run;
    const outcome = this.#changed ? 'changed' : 'unchanged';
    if (prober === null) {
      return this.#done(outcome, { facts });
    }
    emit({ type: 'phase', phase: 'prove', detail: `a fresh login as ${this.#endpoint.user}` });
    const proof = await prober.after(this.#shownKeys(facts), signal);
    const wanted = checks.some(({ kind }) => kind === 'login') ? 'login' : proofWanted;
    const failure = atLeast(proof.level, wanted)
      ? null
      : shutFailure({
          endpoint: this.#endpoint,
          changed: this.#changed,
          level: proof.level,
          broken: brokenLink(walk(facts, this.#endpoint)),
          login: proof.failure,
        });
    if (failure === null) {
      emit({ type: 'phase-done', phase: 'prove', detail: `${proof.level}: ${proof.by}` });
    } else {
      emit({ type: 'phase-failed', phase: 'prove', failure });
    }
    return this.#done(outcome, { facts, proof: toProof(proof, this.#before), failure });
  }

  /** The public host keys as the host shows them over the way in: the proof trusts them too. */
  #shownKeys(facts: FactSet): HostKey[] {
    const keys = facts.get(hostKeysRequest);
    const shown = keys.known ? keys.value.keys.filter(({ publicKey }) => publicKey !== null) : [];
    const made = this.#stages.some(({ steps }) =>
      steps.some(({ changes }) => changes.some(({ kind }) => kind === 'host-key')),
    );
    if (made) {
      this.#notices.push(
        ...shown.map(({ path, fingerprint }) => `Host key ${path}: ${fingerprint ?? 'unknown'}`),
        `Clients will see new host keys. known_hosts was not touched; to take the old ones out:\n    ${this.#run.forgetHostKeys}`,
      );
    }
    return shown.map(({ publicKey }) => {
      const [type = '', base64 = ''] = (publicKey ?? '').split(' ');
      return { type, base64 };
    });
  }

  #done(
    outcome: Outcome,
    more: { facts?: FactSet; proof?: Proof; failure?: Failure | null },
  ): HostResult {
    const { proof, failure } = more;
    const facts = more.facts ?? this.#facts;
    this.#result = {
      ...this.#result,
      outcome,
      stages: this.#stages,
      links: facts === null ? [] : walk(facts, this.#endpoint),
      notices: this.#notices,
      proof: proof ?? null,
      failure: failure ?? null,
    };
    return this.#result;
  }
}

function unwrap<T>(result: Result<T, Failure>): T {
  if (!result.ok) {
    throw new RunFailure(result.error);
  }
  return result.value;
}

function describeFrom(endpoint: Endpoint): string {
  return endpoint.from === null
    ? 'nobody knows where logins come from; give --from'
    : `logins come from ${endpoint.from.address}${endpoint.from.assumed ? ' (assumed)' : ''}`;
}
