import type { Endpoint } from '../core/endpoint.ts';
import { RunFailure, type Failure } from '../core/failure.ts';
import type { Result } from '../core/result.ts';
import type { FactSet } from '../facts/fact.ts';
import type { PlanContext } from '../modules/module.ts';
import type { StagePlan } from '../plan/compile.ts';
import type { LoginProof } from '../probe/login.ts';
import { renderTemplateFile } from '../store/templates.ts';
import type { Operator } from '../walk/access.ts';
import type { Link } from '../walk/link.ts';
import { walk } from '../walk/walk.ts';
import { confirmWindow } from './confirm-window.ts';
import type { Connection } from './connection.ts';
import { shownKeys } from './host-keys.ts';
import type { HostRun } from './host-run.ts';
import { observeHost } from './observe-host.ts';
import { atLeast, toProof } from './prove.ts';
import type { HostResult, Outcome, ProofLevel, StageGuard, StageResult } from './result.ts';
import type { Work } from './work.ts';

/** What is known of one host while a run is at work on it, and how more is learned. */
export class HostState {
  readonly run: HostRun;
  readonly connection: Connection;
  readonly endpoint: Endpoint;
  /** True where the run came in by the login that is to be proven. */
  readonly isEndpoint: boolean;
  readonly notices: string[] = [];
  readonly stages: StageResult[] = [];
  /** True where an earlier stage was confirmed. */
  kept = false;
  /** How far a login came before the run; null where nobody looked. */
  before: ProofLevel | null = null;
  proof: LoginProof | null = null;
  /** The host as it was seen last, or in a dry run as the plan would leave it. */
  facts: FactSet | null = null;
  /** The port that the last proof was made on; null for the endpoint's own. */
  #port: number | null = null;
  #lookMs = 0;

  constructor(run: HostRun, connection: Connection) {
    this.run = run;
    this.connection = connection;
    this.isEndpoint = run.isEndpoint(connection.route);
    this.endpoint = {
      ...run.endpoint,
      from: run.clientAddress(connection.route, connection.session) ?? run.endpoint.from,
    };
  }

  get context(): PlanContext {
    return { endpoint: this.endpoint, runId: this.run.runId, render: renderTemplateFile };
  }

  get operator(): Operator | null {
    return this.run.operator(this.connection.route, this.connection.session);
  }

  /**
   * Looks at the host.
   *
   * @throws RunFailure where nothing could be learned.
   */
  async observe(work: Work, withChecks: boolean): Promise<FactSet> {
    const { emit, signal, dryRun } = this.run;
    const began = performance.now();
    const facts = unwrap(
      await observeHost(this.connection.session, work, this.context, {
        emit,
        signal,
        operator: this.operator,
        hostKeys: !dryRun,
        checks: withChecks ? work.checks : [],
      }),
    );
    this.#lookMs = performance.now() - began;
    this.facts = facts;
    return facts;
  }

  /** How long changes may wait for their proof, in seconds. */
  get guardSeconds(): number {
    return confirmWindow(this.run.guardSeconds, this.#lookMs);
  }

  /** A fresh login from outside; null where nobody can make one. */
  async prove(facts: FactSet, port: number | null): Promise<LoginProof | null> {
    const { emit, prober, proofWanted, signal } = this.run;
    if (prober === null) {
      return null;
    }
    this.#port = port;
    const where = port === null ? '' : ` on port ${port}`;
    emit({
      type: 'phase',
      phase: 'prove',
      detail: `a fresh login as ${this.endpoint.user}${where}`,
    });
    const proof = await prober.after({ port, keys: shownKeys(facts) }, signal);
    this.proof = proof;
    if (atLeast(proof.level, proofWanted)) {
      emit({ type: 'phase-done', phase: 'prove', detail: `${proof.level}: ${proof.by}` });
    } else if (proof.failure !== null) {
      emit({ type: 'phase-failed', phase: 'prove', failure: proof.failure });
    }
    return proof;
  }

  /** The walk of the endpoint's login, on another port where one is given. */
  links(facts: FactSet, port: number | null): Link[] {
    return walk(facts, port === null ? this.endpoint : { ...this.endpoint, port });
  }

  /** Adds a stage as it went. */
  push(plan: StagePlan, guard: StageGuard | null, checks: StageResult['checks']): void {
    this.stages.push({ steps: plan.steps, guard, checks });
  }

  /** The result of the run. Where an earlier stage was kept, the host is never said to be as it was. */
  done(outcome: Outcome, failure: Failure | null): HostResult {
    const { session } = this.connection;
    const partly = this.kept && asBefore.has(outcome);
    return {
      ...blankResult(this.run),
      route: session.kind,
      routeDescription: session.description,
      routes: this.connection.tried,
      outcome: partly ? 'stuck' : outcome,
      stages: this.stages,
      links: this.facts === null ? [] : this.links(this.facts, this.#port),
      notices: this.notices,
      proof: this.proof === null ? null : toProof(this.proof, this.before),
      failure: partly && failure !== null ? { ...failure, access: earlierKept } : failure,
    };
  }
}

const asBefore: ReadonlySet<Outcome> = new Set([
  'reverted',
  'refused',
  'failed',
  'unreachable',
  'locked',
]);

const earlierKept = 'The stages before it were proven and kept. This one left nothing behind.';

/** A result that says nothing yet. */
export function blankResult(run: HostRun): HostResult {
  return {
    host: run.endpoint.host,
    route: null,
    routeDescription: null,
    routes: [],
    outcome: 'failed',
    stages: [],
    proof: null,
    links: [],
    notices: [],
    failure: null,
  };
}

/** The value of a result. @throws RunFailure with its error. */
export function unwrap<T>(result: Result<T, Failure>): T {
  if (!result.ok) {
    throw new RunFailure(result.error);
  }
  return result.value;
}
