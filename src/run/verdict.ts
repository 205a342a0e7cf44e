import type { Endpoint } from '../core/endpoint.ts';
import type { Failure } from '../core/failure.ts';
import type { LoginProof } from '../probe/login.ts';
import { brokenLink } from '../walk/walk.ts';
import type { Link } from '../walk/link.ts';
import { checkFailure, proofFailure, shutFailure, unprovenFailure } from './failure.ts';
import { atLeast } from './prove.ts';
import type { CheckResult, ProofLevel } from './result.ts';

/** What is known of a stage that was made and not yet confirmed. */
export interface Evidence {
  readonly endpoint: Endpoint;
  readonly checks: readonly CheckResult[];
  /** How far a login came before the run; null where nobody looked. */
  readonly before: ProofLevel | null;
  /** How far it comes now; null where nobody can look from outside. */
  readonly after: LoginProof | null;
  /** The walk of a login on the facts after the stage. */
  readonly links: readonly Link[];
  /** True where a playbook asks for a login, or where the next stage waits for one. */
  readonly loginDemanded: boolean;
  /** What a proof reaches where all is well: a login, or less where the endpoint is this machine. */
  readonly wanted: ProofLevel;
  /** True where the person said that the endpoint's user may lose access. */
  readonly lossAccepted: boolean;
}

/** Whether a stage stays; a kept one may still leave people shut out, and then says so. */
export type Verdict =
  | { readonly keep: true; readonly failure: Failure | null }
  | { readonly keep: false; readonly failure: Failure };

/**
 * Keep or revert. A stage is kept where every check holds and a login comes at least as far as before.
 * A login is demanded where it worked before, where the playbook asks for it, and where the walk finds
 * nothing in its way; else one of two causes is mended, which is worth keeping.
 */
export function judge(evidence: Evidence): Verdict {
  const { checks, after, before, links, wanted } = evidence;
  const bad = checks.find(({ state }) => state === 'failed');
  if (bad !== undefined) {
    return { keep: false, failure: checkFailure(bad, true) };
  }
  if (after === null && evidence.loginDemanded) {
    return { keep: false, failure: unprovenFailure };
  }
  if (after === null || atLeast(after.level, wanted)) {
    return { keep: true, failure: null };
  }
  const worse = before !== null && !atLeast(after.level, before);
  const clear = links.length > 0 && links.every(({ state }) => state === 'ok');
  if (evidence.lossAccepted) {
    return { keep: true, failure: null };
  }
  if (worse || clear || evidence.loginDemanded) {
    const why = worse ? 'worse' : evidence.loginDemanded ? 'demanded' : 'clear';
    return { keep: false, failure: proofFailure(after, before, why) };
  }
  return {
    keep: true,
    failure: shutFailure({
      endpoint: evidence.endpoint,
      changed: true,
      level: after.level,
      broken: brokenLink(links),
      login: after.failure,
    }),
  };
}
