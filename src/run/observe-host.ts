import type { Emit } from '../core/event.ts';
import type { Endpoint } from '../core/endpoint.ts';
import type { Failure } from '../core/failure.ts';
import type { Result } from '../core/result.ts';
import type { FactSet } from '../facts/fact.ts';
import { runsRequest } from '../facts/runs.ts';
import { hostKeysRequest } from '../modules/host-keys.ts';
import type { PlanContext } from '../modules/module.ts';
import type { Check } from '../playbook/playbook.ts';
import type { Session } from '../route/route.ts';
import { accessRequests, type Operator } from '../walk/access.ts';
import { commandRequests } from './check.ts';
import { identityRequest } from './identity.ts';
import { observe } from './observe.ts';
import type { Work } from './work.ts';

/** What an observation is made for besides the work. */
export interface ObserveOptions {
  readonly emit: Emit;
  readonly signal: AbortSignal;
  readonly operator: Operator | null;
  /** Over a way in that is verified, the host itself says which keys are its own. */
  readonly hostKeys: boolean;
  /** The checks whose commands are to be run. */
  readonly checks: readonly Check[];
}

/** Everything that deciding, walking and checking need, by one read-only program. */
export async function observeHost(
  session: Session,
  work: Work,
  context: PlanContext,
  { emit, signal, operator, hostKeys, checks }: ObserveOptions,
): Promise<Result<FactSet, Failure>> {
  const requests = [
    ...work.requests(context),
    ...accessRequests(context.endpoint, operator),
    ...(hostKeys ? [hostKeysRequest] : []),
    runsRequest,
    identityRequest,
    ...commandRequests(checks),
  ];
  const names = new Set(requests.map(({ name }) => name));
  emit({
    type: 'phase',
    phase: 'observe',
    detail: `${names.size} facts by one read-only program`,
  });
  const facts = await observe(session, requests, signal);
  if (facts.ok) {
    emit({ type: 'phase-done', phase: 'observe', detail: describeFrom(context.endpoint) });
  }
  return facts;
}

function describeFrom(endpoint: Endpoint): string {
  return endpoint.from === null
    ? 'nobody knows where logins come from; give --from'
    : `logins come from ${endpoint.from.address}${endpoint.from.assumed ? ' (assumed)' : ''}`;
}
