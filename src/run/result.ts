import type { Failure } from '../core/failure.ts';
import type { BootGuard, GuardKind } from '../program/journal.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { RouteKind } from '../route/route.ts';
import type { Link } from '../walk/link.ts';
import type { RouteAttempt } from './open-route.ts';

/** How a run ended for one host, as `remedy.run/1` says it. */
export type Outcome =
  | 'unchanged'
  | 'would-change'
  | 'changed'
  | 'reverted'
  | 'refused'
  | 'failed'
  | 'unknown'
  | 'stuck'
  | 'unreachable'
  | 'locked';

/** How far a login came before the run and after it. */
export type ProofLevel = 'login' | 'banner' | 'listener' | 'none';

/** What was proven from outside. */
export interface Proof {
  readonly level: ProofLevel;
  /** The same probe before the first change; null where none was made. */
  readonly before: ProofLevel | null;
  readonly by: string;
}

/** A check that must hold after a stage. */
export interface CheckResult {
  readonly name: string;
  readonly state: 'ok' | 'failed';
  readonly detail: string;
}

/** The armed undo of a stage, and what became of it. */
export interface StageGuard {
  /** The stage's id on the host, for `remedy confirm` and `remedy revert`. */
  readonly runId: string;
  readonly by: GuardKind;
  /** What takes over after a reboot. */
  readonly boot: BootGuard;
  /** The confirm window, in seconds. */
  readonly seconds: number;
  readonly state: 'armed' | 'confirmed' | 'reverted' | 'stuck';
}

/** One stage as it went. */
export interface StageResult {
  readonly steps: readonly PlannedStep[];
  /** Null where nothing was made. */
  readonly guard: StageGuard | null;
  readonly checks: readonly CheckResult[];
}

/** Everything there is to say about one host. */
export interface HostResult {
  readonly host: string;
  readonly route: RouteKind | null;
  readonly routeDescription: string | null;
  /** Every route that was tried, in order; the last one opened, or none did. */
  readonly routes: readonly RouteAttempt[];
  readonly outcome: Outcome;
  readonly stages: readonly StageResult[];
  readonly proof: Proof | null;
  /** The walk of a login after the run, or after the plan in a dry run; empty where unknown. */
  readonly links: readonly Link[];
  readonly notices: readonly string[];
  readonly failure: Failure | null;
}

/** A run over all its hosts. */
export interface RunResult {
  readonly runId: string;
  readonly dryRun: boolean;
  readonly hosts: readonly HostResult[];
  /** Why nothing was contacted; null where something was. */
  readonly failure: Failure | null;
}
