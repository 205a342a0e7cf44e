import { nothingDone } from './nothing-done.ts';
import { cleanLine, cleanText } from '../core/clean.ts';
import type { Failure } from '../core/failure.ts';
import type { SudoRefusal } from './elevate.ts';
import type { Exit } from './route.ts';

const noRoot = `Root is needed for a repair, and this login cannot become root. ${nothingDone}`;
const otherLogin =
  'Log in as root (--via root@ADDRESS), or use a route that is root already: --exec or --local.';

/** The failure for a login that gave no POSIX shell. `said` is what came instead of an answer. */
export function shellMissingFailure(name: string, exit: Exit | null, said: string): Failure {
  const ending = exit === null ? 'No shell answered in time.' : `It ended ${describeExit(exit)}.`;
  return {
    code: 'shell-missing',
    what: `The login on ${name} gave no shell.`,
    why: `${ending}${quoted(said)}`,
    access: `The login works, but no command can be run through it. ${nothingDone}`,
    todo: 'The account may have no login shell, or its key a forced command. Use another user or another route.',
  };
}

/** The failure for a shell that never answered. */
export function silentShellFailure(name: string, seconds: number, said: string): Failure {
  return {
    code: 'route-timeout',
    what: `The shell on ${name} did not answer within ${seconds} s.`,
    why: `A shell was started and did not run the first command.${quoted(said)}`,
    access: `No command was run. ${nothingDone}`,
    todo: 'The host may be overloaded, or the start-up files of the user hang. Try again, or use another route.',
  };
}

/** The failure for a host without sudo and a login that is not root. */
export function sudoMissingFailure(name: string, uid: number | null): Failure {
  return {
    code: 'no-sudo',
    what: `There is no way to root on ${name}: sudo is not installed.`,
    why: `The login has the user id ${uid ?? 'that id did not tell'}, and the command sudo was not found.`,
    access: noRoot,
    todo: otherLogin,
  };
}

/** The failure for a password that sudo wants and nobody has. */
export function noPasswordFailure(name: string, said: string): Failure {
  return {
    code: 'no-sudo',
    what: `sudo on ${name} wants a password, and none was given.`,
    why: `sudo -n was refused.${quoted(said)}`,
    access: noRoot,
    todo: 'Set REMEDY_SUDO_PASSWORD, or run remedy in a terminal to be asked for it.',
  };
}

/** The failure for a sudo that refused, for a reason other than the password typed. */
export function sudoRefusedFailure(name: string, refusal: SudoRefusal, said: string): Failure {
  const reasons: Readonly<Record<SudoRefusal, string>> = {
    'needs-tty': 'sudo is set up to work on a terminal only (requiretty), and this route has none.',
    'not-allowed': 'The user is not allowed to use sudo for a shell.',
    'wrong-password': 'sudo refused the login before a password was typed.',
    other: 'sudo ended without giving a shell.',
  };
  return {
    code: 'no-sudo',
    what: `sudo on ${name} does not give a root shell.`,
    why: `${reasons[refusal]}${quoted(said)}`,
    access: noRoot,
    todo:
      refusal === 'needs-tty'
        ? `Take requiretty out of sudoers, or use a way in that is root already. ${otherLogin}`
        : otherLogin,
  };
}

/** The failure for a sudo that hangs. */
export function sudoHangsFailure(name: string, seconds: number, said: string): Failure {
  return {
    code: 'no-sudo',
    what: `sudo on ${name} did not answer within ${seconds} s.`,
    why: `It may be looking up names or users (DNS, LDAP), or it asks in a way that is not known here.${quoted(said)}`,
    access: noRoot,
    todo: otherLogin,
  };
}

/** The failure for a password that sudo refused. It was typed once and is not typed again. */
export function sudoPasswordFailure(name: string, said: string): Failure {
  return {
    code: 'sudo-password',
    what: `sudo on ${name} refused the password.`,
    why: `It was typed once, and is not tried again, so that the account is not locked.${quoted(said)}`,
    access: noRoot,
    todo: 'Check the password (REMEDY_SUDO_PASSWORD) by hand before the next try.',
  };
}

/** How a command ended, for texts: `with status 1`, `by the signal SIGKILL`, `: connection lost`. */
export function describeExit(exit: Exit): string {
  switch (exit.type) {
    case 'code':
      return `with status ${exit.code}`;
    case 'signal':
      return `by the signal ${exit.name}`;
    case 'lost':
      return `early (${cleanLine(exit.because, 200)})`;
  }
}

function quoted(said: string): string {
  const lines = cleanText(said, 200)
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.length === 0 ? '' : ` It printed: ${cleanLine(lines.slice(-6).join(' / '), 600)}`;
}
