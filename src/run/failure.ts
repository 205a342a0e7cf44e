import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { Link } from '../walk/link.ts';
import type { LoginProof } from '../probe/login.ts';
import type { RunState } from '../program/journal.ts';
import { halfWay, settleWords } from './apply-failure.ts';
import type { CheckResult, ProofLevel } from './result.ts';

/** A step that cannot be done, before the first write of its stage. */
export function blockedFailure(step: PlannedStep, changed: boolean): Failure {
  return {
    code: 'blocked',
    what: `Step ${step.id} of ${step.playbook} cannot be done.`,
    why: step.reason,
    access: changed ? 'The steps before it were made and hold.' : nothingChanged,
    todo:
      step.todo ??
      'Mend what is named above, or leave this playbook out, then run the same command again.',
  };
}

/** Another run holds the host, and this one has nothing to do as long as that one is not settled. */
export function heldFailure(runId: string, why: string): Failure {
  return {
    code: 'locked',
    what: 'Another run holds this host.',
    why,
    access: nothingChanged,
    todo: settleWords(runId),
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

/** Something that must hold does not; after changes, they are taken back. */
export function checkFailure(check: CheckResult, changed: boolean): Failure {
  return {
    code: 'check-failed',
    what: changed
      ? `The changes were made, but this does not hold: ${check.name}.`
      : `There was nothing to change, but this does not hold: ${check.name}.`,
    why: check.detail,
    access: changed ? takenBack : nothingChanged,
    todo: 'Mend what is named above, then run the same command again.',
  };
}

const takenBack = 'The changes were taken back: the host is as it was.';

/** A login does not come as far as it must, so the changes are taken back. */
export function proofFailure(
  proof: LoginProof,
  before: ProofLevel | null,
  why: 'worse' | 'demanded' | 'clear',
): Failure {
  const reasons = {
    worse: `before the changes a login came to: ${before ?? 'unknown'}; after them to: ${proof.level}`,
    demanded: `the playbook asks for a login, which came to: ${proof.level}`,
    clear: `nothing on the host is in the way of a login, which came to: ${proof.level}; something outside of the host may be`,
  };
  const seen = proof.failure === null ? [] : [`${proof.failure.what} ${proof.failure.why}`];
  return {
    code: 'proof-failed',
    what: 'A fresh login does not work with the changes.',
    why: [reasons[why], ...seen].join('\n'),
    access: takenBack,
    todo: proof.failure?.todo ?? 'Mend what is named above, then run the same command again.',
  };
}

/** A login is asked for, and nobody can look from outside. */
export const unprovenFailure: Failure = {
  code: 'proof-failed',
  what: 'A login is asked for, and nobody can make one from here.',
  why: 'the endpoint is not named, so there is nothing to log in to',
  access: takenBack,
  todo: 'Name the endpoint with --host, then run the same command again.',
};

/** A playbook asks for a login by key, which does not work. */
export function requirementFailure(proof: LoginProof | null): Failure {
  const seen =
    proof === null
      ? 'nobody can look from outside'
      : proof.failure === null
        ? `the login was made otherwise: ${proof.by}`
        : `${proof.failure.what} ${proof.failure.why}`;
  return {
    code: 'requirement',
    what: 'The playbook asks for a login by key that works, and there is none.',
    why: seen,
    access: nothingChanged,
    todo: 'Put your key on the host and log in with it, then run the same command again with --identity.',
  };
}

/** The person stopped the run after changes were begun. */
export function stoppedFailure(reverted: boolean, runId: string): Failure {
  return {
    code: 'interrupted',
    what: 'The run was interrupted.',
    why: 'A signal came while the changes were being made or proven.',
    access: reverted ? takenBack : 'The guard on the host takes the changes back by itself.',
    todo: reverted ? 'Run the same command again when you are ready.' : settleWords(runId),
  };
}

/** The changes hold and people get in, but the host could not be told in time. */
export function unconfirmedFailure(runId: string, state: RunState | null): Failure {
  const fired = state === 'reverted' || state === 'reverting';
  return {
    code: fired ? 'guard-fired' : 'contact-lost',
    what: fired
      ? 'The confirmation came too late: the guard took all changes back.'
      : 'The confirmation could not be brought to the host.',
    why: fired ? 'nobody confirmed in time' : 'the connection was lost and could not be made anew',
    access: fired
      ? takenBack
      : 'Unless it is confirmed, the guard on the host takes the changes back.',
    todo: fired
      ? 'Run the same command again. A longer --guard-seconds gives a slow line more time.'
      : settleWords(runId),
  };
}

/** Contact was lost after the changes were made: what could not be looked at is not known. */
export function lostAfterChanges(failure: Failure): Failure {
  return {
    ...failure,
    code: 'contact-lost',
    access: 'The changes were made. Whether they hold and let people in is not known.',
    todo: 'Try to log in, or run the same command again: what is done already is left alone.',
  };
}

/** What is known where a fresh login does not work. */
export interface ShutOut {
  readonly endpoint: Endpoint;
  readonly changed: boolean;
  readonly level: ProofLevel;
  readonly broken: Link | null;
  /** Why the login failed; null where none was tried. */
  readonly login: Failure | null;
}

/** A stage was to be taken back, and not all of it could be. */
export function stuckRevertFailure(
  failure: Failure,
  runId: string,
  said: readonly string[],
): Failure {
  return {
    code: 'stuck',
    what: `${failure.what} Not everything could be taken back.`,
    why: [failure.why, ...said].join('\n'),
    access: halfWay,
    todo: settleWords(runId),
  };
}

/** Nothing is left to do for these playbooks, and a fresh login still does not work. */
export function shutFailure(shut: ShutOut): Failure {
  const { endpoint, changed, broken, login } = shut;
  const seen = login === null ? [] : [`${login.what} ${login.why}`];
  const layer = broken === null ? [] : [`Still in the way: ${broken.layer}: ${broken.by}`];
  const place = `${endpoint.host} port ${endpoint.port}`;
  return {
    code: 'endpoint-shut',
    what: changed
      ? `The changes were made and hold, but a fresh login to ${place} does not work yet.`
      : `There is nothing to do for these playbooks, but a fresh login to ${place} does not work.`,
    why: [...seen, ...layer].join('\n'),
    access: `${changed ? 'The changes were kept.' : nothingChanged} ${stillShut(shut.level)}`,
    todo: nextStep(shut),
  };
}

function stillShut(level: ProofLevel): string {
  return level === 'banner'
    ? 'SSH answers there; only this login was not let in.'
    : 'Something else keeps people out.';
}

function nextStep({ endpoint, broken, login }: ShutOut): string {
  const next = broken === null ? playbookForLogin(login) : playbookForLink(broken);
  const words = `remedy run ${next ?? ''} --host ${endpoint.host}`;
  return next === null
    ? (login?.todo ?? 'Mend what is named above.')
    : `Next, with the same flags:\n    ${words} …`;
}

function playbookForLink(link: Link): string | null {
  if (link.layer === 'listener') {
    return link.by.startsWith('nothing listens') ? 'start-sshd' : null;
  }
  if (/\b(?:Allow|Deny)(?:Users|Groups)\b/.test(link.by)) {
    return 'allow-user';
  }
  return link.layer === 'firewall'
    ? /\bf2b-/.test(link.by)
      ? 'unban-address'
      : 'open-port'
    : null;
}

function playbookForLogin(login: Failure | null): string | null {
  return login?.code === 'handshake-closed' ? 'regenerate-host-keys' : null;
}
