import type { Endpoint } from '../core/endpoint.ts';
import type { Failure } from '../core/failure.ts';
import type { FactSet } from '../facts/fact.ts';
import type { StagePlan } from '../plan/compile.ts';
import type { Session } from '../route/route.ts';

/** What the access gate judges. */
export interface GateInput {
  readonly before: FactSet;
  readonly plan: StagePlan;
  readonly endpoint: Endpoint;
  /** The port on which people are to get in afterwards; null for the endpoint's own. */
  readonly proofPort: number | null;
  readonly session: Session;
  readonly acceptLoss: readonly string[];
}

/** Whether a plan may go on, and what a person should know either way. */
export interface GateVerdict {
  readonly failure: Failure | null;
  readonly notices: readonly string[];
}

/** Refuses a plan after which somebody is locked out who gets in now, or who may. */
export function gateAccess(_input: GateInput): GateVerdict {
  return { failure: null, notices: [] };
}
