import type { Endpoint } from '../core/endpoint.ts';
import { nothingChanged, type Failure } from '../core/failure.ts';
import type { PlannedStep } from '../plan/plan.ts';
import type { Link } from '../walk/link.ts';
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

/** The person said no. */
export const declinedFailure: Failure = {
  code: 'declined',
  what: 'The changes were not approved.',
  why: 'The answer was no.',
  access: nothingChanged,
  todo: 'Run the same command again to approve them, or with --yes.',
};

/** Something that must hold does not. */
export function checkFailure(check: CheckResult, changed: boolean): Failure {
  return {
    code: 'check-failed',
    what: changed
      ? `The changes were made, but this does not hold: ${check.name}.`
      : `There was nothing to change, but this does not hold: ${check.name}.`,
    why: check.detail,
    access: changed
      ? 'The changes are still there. Keep the session you have until you can log in anew.'
      : nothingChanged,
    todo: 'Mend what is named above, then run the same command again.',
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
  return link.layer === 'firewall'
    ? /\bf2b-/.test(link.by)
      ? 'unban-address'
      : 'open-port'
    : null;
}

function playbookForLogin(login: Failure | null): string | null {
  return login?.code === 'handshake-closed' ? 'regenerate-host-keys' : null;
}
