import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import type { FactSet } from '../facts/fact.ts';
import type { StagePlan } from '../plan/compile.ts';
import {
  accessGate,
  recentDays,
  type AccessLoss,
  type AccessReason,
  type AccessVerdict,
  type Operator,
} from '../walk/access.ts';
import { changesOf } from './work.ts';

/** What the access gate judges. */
export interface GateInput {
  readonly before: FactSet;
  readonly plan: StagePlan;
  readonly endpoint: Endpoint;
  /** The port on which people are to get in afterwards; null for the endpoint's own. */
  readonly proofPort: number | null;
  readonly operator: Operator | null;
  readonly acceptLoss: readonly string[];
}

/** Whether a plan may go on, and what a person should know either way. */
export interface GateVerdict {
  readonly failure: Failure | null;
  readonly notices: readonly string[];
}

/** Refuses a plan after which somebody is locked out who gets in now, or who may. */
export function gateAccess(input: GateInput): GateVerdict {
  const { before, plan, endpoint, proofPort, operator, acceptLoss } = input;
  const changes = changesOf(plan);
  if (changes.length === 0) {
    return { failure: null, notices: [] };
  }
  const verdict = accessGate({
    before,
    after: plan.facts,
    endpoint,
    ...(proofPort === null ? {} : { endpointAfter: { ...endpoint, port: proofPort } }),
    operator,
    acceptLoss,
    reloads: changes.some(
      ({ kind, action }) =>
        kind === 'unit' || action.type === 'sshd-reload' || action.type === 'socket-restart',
    ),
  });
  return {
    failure: verdict.refused ? lossFailure(verdict, endpoint) : null,
    notices: [
      ...verdict.losses.flatMap((loss) =>
        loss.accepted ? [`${loss.user} loses access, as accepted: ${describe(loss)}`] : [],
      ),
      ...verdict.doubts.map(
        ({ user, link }) => `Whether ${user} still gets in is not known: ${link.layer}: ${link.by}`,
      ),
    ],
  };
}

const reasons: Readonly<Record<AccessReason, string>> = {
  endpoint: 'the user who should get in',
  operator: 'the user you came in as',
  recent: `logged in within ${recentDays} days`,
  keys: 'has keys',
};

function describe({ link }: AccessLoss): string {
  return `${link.layer}: ${link.by}`;
}

function lossFailure(verdict: AccessVerdict, endpoint: Endpoint): Failure {
  const lost = verdict.losses.filter(({ accepted }) => !accepted);
  const users = [...new Set(lost.map(({ user }) => user))];
  const lines = lost.map(
    (loss) => `${loss.user} (${reasons[loss.reason]}) would be stopped by ${describe(loss)}`,
  );
  const assumed = verdict.assumedFrom
    ? ['That logins come from where this says is assumed; give --from where it is wrong.']
    : [];
  return {
    code: 'access-gate',
    what: `The changes would lock out ${users.join(', ')}.`,
    why: [...lines, ...assumed].join('\n'),
    access: nothingChanged,
    todo: `Change the playbook or its variables so that they get in. Where the loss is wanted:\n    ${users.map((user) => `--accept-loss ${user}`).join(' ')}\n(with the same command for ${endpoint.host})`,
  };
}
