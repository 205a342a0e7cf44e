import { nothingDone } from '../nothing-done.ts';
import { cleanLine, cleanText } from '../../core/clean.ts';
import type { Failure } from '../../core/failure.ts';
import { readGatewayRefusal, type GatewayRefusal, type Refusal } from './prompts.ts';

/** What a failure is told about. */
export interface ConsolePlace {
  /** For people: `console 'virsh console web1'`. */
  readonly description: string;
  /** What this kind of console needs or does, where it is known. */
  readonly hint: string | null;
}

const noShellYet = `The console was reached, but no shell. ${nothingDone}`;

function shown(screen: string): string {
  const text = cleanText(screen, 160).trim();
  return text === '' ? 'It shows nothing.' : `It shows:\n${text}`;
}

function withHint(todo: string, { hint }: ConsolePlace): string {
  return hint === null ? todo : `${todo}\n${hint}`;
}

const gatewayTodo: Readonly<Record<GatewayRefusal, string>> = {
  expired: 'Your login at the provider of the console has expired: log in there again.',
  limited:
    'The provider lets no more sessions through for now: end old ones, or wait a few minutes.',
  denied: 'The provider does not let you at this console: your role there lacks the right.',
};

/** The console could not be reached at all. */
export function consoleClosedFailure(place: ConsolePlace, why: string): Failure {
  const refusal = readGatewayRefusal(why);
  const byHand = 'Try the same by hand: it must show the console of the host.';
  return {
    code: 'console-failed',
    what: `The ${cleanLine(place.description, 160)} could not be opened.`,
    why: cleanLine(why, 600) || 'it ended at once',
    access: `The host was not reached by this route. ${nothingDone}`,
    todo: withHint(refusal === null ? byHand : `${gatewayTodo[refusal]}\n${byHand}`, place),
  };
}

/** Somebody else has the console. */
export function consoleBusyFailure(place: ConsolePlace, screen: string): Failure {
  return {
    code: 'console-busy',
    what: `Somebody else has the ${cleanLine(place.description, 160)}, or a program draws on it.`,
    why: shown(screen),
    access: `Nobody was pushed off it. What is open there got Enter, Ctrl-C and Ctrl-Q at most, and no word. ${nothingDone}`,
    todo: withHint('Ask who it is, or end that session, then run the same command again.', place),
  };
}

/** Nothing answers on the console. */
export function consoleSilentFailure(place: ConsolePlace, screen: string): Failure {
  return {
    code: 'route-timeout',
    what: `Nothing answers on the ${cleanLine(place.description, 160)}.`,
    why: `${shown(screen)} Enter and Ctrl-C were tried.`,
    access: noShellYet,
    todo: withHint(
      'The host may hang, or have no getty on this line (systemctl status serial-getty@ttyS0), or the line another speed.',
      place,
    ),
  };
}

/** The host has been writing without a pause. */
export function consoleNoisyFailure(place: ConsolePlace, screen: string): Failure {
  return {
    code: 'route-timeout',
    what: `The ${cleanLine(place.description, 160)} has not been quiet for two minutes.`,
    why: shown(screen),
    access: noShellYet,
    todo: 'The host may be booting, or be in trouble. Wait, then run the same command again.',
  };
}

/** What a host may wait for that has not booted. */
export type NotBooted = 'bootloader' | 'disk' | 'initramfs' | 'panic' | 'maintenance-locked';

const notBooted: Readonly<
  Record<NotBooted, readonly [what: string, access: string, todo: string]>
> = {
  bootloader: [
    'The host is in its boot loader or firmware.',
    'Nobody gets in before it has booted.',
    'Boot the host by hand',
  ],
  disk: [
    'The host waits for the passphrase of a disk.',
    'Nobody gets in before it is typed.',
    'Type the passphrase by hand',
  ],
  initramfs: [
    'The host stopped in its initramfs: it found no root file system that works.',
    'Its own system is not there yet, so nothing of it can be repaired from here.',
    'See what it says of the disk (fsck, a missing UUID), boot the host by hand',
  ],
  panic: [
    'The kernel of the host has stopped (panic).',
    'Nobody gets in before it was started anew.',
    'Reset the host, maybe with an older kernel',
  ],
  'maintenance-locked': [
    'The host is in emergency mode, and its root account is locked.',
    'Nobody gets in by this console; Enter would go on with the boot.',
    'Boot the host with another root shell (init=/bin/sh, a rescue image)',
  ],
};

/** The host is not so far that anybody can log in. */
export function notBootedFailure(kind: NotBooted, screen: string): Failure {
  const [what, access, todo] = notBooted[kind];
  return {
    code: 'not-booted',
    what,
    why: shown(screen),
    access: `${access} No command was typed. ${nothingDone}`,
    todo: `${todo}, then run the same command again.`,
  };
}

/** The host is in emergency mode, where only root may log in. */
export function maintenanceFailure(user: string, screen: string): Failure {
  return {
    code: 'auth-failed',
    what: 'The host is in emergency mode and wants the password of root.',
    why: `It was to be a login of ${cleanLine(user, 40)}. ${shown(screen)}`,
    access: `No password was typed. ${nothingDone}`,
    todo: 'Set REMEDY_CONSOLE_USER=root and REMEDY_CONSOLE_PASSWORD to its password, then run the same command again.',
  };
}

/** The host has no place where anything could be stored. */
export function noRoomFailure(why: string): Failure {
  return {
    code: 'console-failed',
    what: 'The host has no room for a program.',
    why: cleanLine(why, 400),
    access: `A root shell was reached by the console. ${nothingDone}`,
    todo: 'Log in by hand and make room in /run, /dev/shm, /tmp or /var/tmp (df -h; mount -o remount,rw /), then run the same command again.',
  };
}

/** A password that we typed came back as text. */
export function passwordShownFailure(place: ConsolePlace, name: 'console' | 'sudo'): Failure {
  return {
    code: 'auth-failed',
    what: `The ${name} password was shown on the ${cleanLine(place.description, 160)} as it was typed.`,
    why: 'Something echoes it: the terminal of the host, the console server, or the command of --console.',
    access: `Others may have recorded it: clouds and console servers keep what is shown. ${nothingDone}`,
    todo: 'Change that password. Then turn the echo off (stty -echo; no local echo at the console server) before you run the same command again.',
  };
}

/** The failure, which says too what was left open on the host; null: nothing. */
export function withLeft(failure: Failure, left: string | null): Failure {
  return left === null ? failure : { ...failure, access: `${failure.access} ${left}` };
}

/** What a person must know of a shell that may have stayed open. */
export function stillOpenWords(guarded: boolean): string {
  return guarded
    ? 'The console may still have a root shell open: log out there by hand (a dead-man timer ends it otherwise).'
    : 'The console may still have a shell open, and nothing ends it by itself: log out there by hand.';
}

/** What a person must know of a shell that we leave, and may not have ended. */
export function openWords({ maintenance, guarded }: OpenShell): string {
  return maintenance ? maintenanceOpenWords : stillOpenWords(guarded);
}

/** A shell of ours on the host. */
interface OpenShell {
  readonly maintenance: boolean;
  readonly guarded: boolean;
}

/** What a person must know of the shell of sulogin(8). */
export const maintenanceOpenWords =
  'The emergency shell on the console was left open, as it was found: to end it goes on with the boot.';

/** The console wants a password and nobody has one. */
export function noConsolePasswordFailure(user: string): Failure {
  return {
    code: 'auth-failed',
    what: `The console wants the password of ${cleanLine(user, 40)}, and none was given.`,
    why: 'REMEDY_CONSOLE_PASSWORD is not set, and nobody could be asked',
    access: noShellYet,
    todo: 'Set REMEDY_CONSOLE_USER and REMEDY_CONSOLE_PASSWORD, or run remedy in a terminal to be asked.',
  };
}

const refusalWords: Readonly<Record<Refusal, readonly [string, string]>> = {
  incorrect: [
    'The password was refused.',
    'Check REMEDY_CONSOLE_USER and REMEDY_CONSOLE_PASSWORD by hand.',
  ],
  locked: [
    'The account is locked for now (pam_faillock or the like).',
    'Wait until the lock ends, or use another user.',
  ],
  expired: ['The account has expired.', 'Use another user, or root.'],
  'must-change': [
    'The password must be changed at this login.',
    'Log in by hand once and change it.',
  ],
  nologin: [
    'Logins are closed (nologin, or the host is booting or going down).',
    'Use root, or wait until the host has booted.',
  ],
  'root-not-here': [
    'root may not log in on this terminal.',
    'Set REMEDY_CONSOLE_USER to a user who may become root by sudo.',
  ],
  'timed-out': ['The host gave up waiting for the login.', 'Run the same command again.'],
};

/** The login at the console was refused; it was tried once. */
export function consoleLoginFailure(user: string, refusal: Refusal, screen: string): Failure {
  const [why, todo] = refusalWords[refusal];
  return {
    code: 'auth-failed',
    what: `The console did not let ${cleanLine(user, 40)} in.`,
    why: `${why} ${shown(screen)}`,
    access: `It was tried once and is not tried again, so that the account is not locked. ${nothingDone}`,
    todo,
  };
}

/** The login asks for something that we have not. */
export function consoleAsksFailure(user: string, screen: string): Failure {
  return {
    code: 'auth-failed',
    what: `The login of ${cleanLine(user, 40)} at the console asks for more than a password.`,
    why: shown(screen),
    access: `Nothing was answered. ${nothingDone}`,
    todo: 'Log in by hand, or use a user without a second factor, then run the same command again.',
  };
}

/** Something asks for the password, and we did not name the user. */
export function strayPasswordFailure(screen: string): Failure {
  return {
    code: 'console-busy',
    what: 'The console waits for a password, and it is not known whose.',
    why: `Somebody may be logging in. ${shown(screen)}`,
    access: `No password was typed. ${nothingDone}`,
    todo: 'Wait a minute until the login is given up, then run the same command again.',
  };
}

/** The login gave no shell that can be used. */
export function noConsoleShellFailure(user: string, screen: string): Failure {
  return {
    code: 'shell-missing',
    what: `The login of ${cleanLine(user, 40)} at the console gave no shell.`,
    why: shown(screen),
    access: `The login works, but no command can be run through it. ${nothingDone}`,
    todo: 'The account may have no shell, a restricted one, or a menu. Use another user.',
  };
}

/** sudo at the console gave no root shell. */
export function consoleSudoFailure(why: string, screen: string): Failure {
  return {
    code: 'no-sudo',
    what: 'sudo at the console gave no root shell.',
    why: `${why} ${shown(screen)}`,
    access: `Root is needed for a repair. ${nothingDone}`,
    todo: 'Set REMEDY_CONSOLE_USER=root, or REMEDY_SUDO_PASSWORD to the right password.',
  };
}

/** sudo asks for something that we have not, or are not sure of. */
export function sudoAsksFailure(screen: string): Failure {
  return {
    ...consoleSudoFailure('It asks for something else than its password.', screen),
    access: `It was not answered. Root is needed for a repair. ${nothingDone}`,
    todo: 'Set REMEDY_CONSOLE_USER=root, or use a user whose sudo asks for one password by its own prompt.',
  };
}

/** The agent did not come up. */
export function linkFailure(place: ConsolePlace, why: string): Failure {
  return {
    code: 'connection-lost',
    what: `The ${cleanLine(place.description, 160)} answers, but nothing gets over it whole.`,
    why: cleanLine(why, 400),
    access: nothingDone,
    todo: withHint('Check the line: another reader, the wrong speed, or flow control.', place),
  };
}
