import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { CheckResult } from './result.ts';

/** A step that cannot be done, before the first write of its stage. */
export function blockedFailure(step: PlannedStep, changed: boolean): Failure {
  return {
    code: 'blocked',
    what: `Step ${step.id} of ${step.playbook} cannot be done.`,
    why: step.reason,
    access: changed ? 'The steps before it were made and hold.' : nothingChanged,
    todo: 'Mend what is named above, or leave this playbook out, then run the same command again.',
  };
}

/** The person said no. */
export const declinedFailure: Failure = {
  code: 'declined',
  what: 'The changes were not approved.',
  why: 'The answer was no.',
  access: nothingChanged,
  todo: 'Run the same command again to approve them, or with --yes.',
};

/** The changes were made, and something that must hold does not. */
export function checkFailure(check: CheckResult, runId: string): Failure {
  return {
    code: 'check-failed',
    what: `The changes were made, but this does not hold: ${check.name}.`,
    why: check.detail,
    access: 'The changes are still there. Keep the session you have until you can log in anew.',
    todo: `Look at /var/lib/remedy/${runId}/journal on the host.`,
  };
}

/** The changes hold, and a fresh login still does not work. */
export function shutFailure(
  endpoint: Endpoint,
  broken: string | null,
  login: Failure | null,
): Failure {
  const seen = login === null ? 'no login was made' : `${login.what} ${login.why}`;
  return {
    code: 'endpoint-shut',
    what: `The changes were made and hold, but a fresh login to ${endpoint.host} port ${endpoint.port} does not work yet.`,
    why: broken === null ? seen : `${seen}\nStill in the way: ${broken}`,
    access: 'The changes were kept. Something else keeps people out.',
    todo: login?.todo ?? 'Mend what is named above.',
  };
}
