import { describe, expect, test } from 'vitest';
import type { FailureCode } from '../../../src/core/failure.ts';
import { consoleOf, type TestConsole } from './support.ts';

/** A terminal that shows a text and answers nothing. */
function showing(text: string): TestConsole {
  const shown = text.replaceAll('\n', '\\r\\n').replaceAll("'", "'\\''");
  const made = consoleOf(
    {},
    { command: `stty raw -echo; printf '${shown}'; exec cat >/dev/null`, environment: {} },
  );
  return made;
}

const grub = `                             GNU GRUB  version 2.06
 +----------------------------------------------------------------------------+
 |*Debian GNU/Linux                                                           |
 +----------------------------------------------------------------------------+
      Use the ^ and v keys to select which entry is highlighted.
      The highlighted entry will be executed automatically in 5s.`;

const vi = `line one\n${'~\n'.repeat(20)}"hosts" 12L, 240B`;

// What is shown, how it ends, and all that may have been typed.
const screens: [string, string, FailureCode, RegExp][] = [
  ['a boot menu that counts down', grub, 'not-booted', /^$/],
  ['the prompt of a boot loader', 'grub> ', 'not-booted', /^$/],
  ['a boot loader in trouble', 'error: no such partition.\ngrub rescue> ', 'not-booted', /^$/],
  ['U-Boot', 'Hit any key to stop autoboot:  0\n=> ', 'not-booted', /^$/],
  ['the shell of a firmware', 'UEFI Interactive Shell v2.2\nShell> ', 'not-booted', /^$/],
  ['a disk that wants its passphrase', 'Please unlock disk sda3_crypt: ', 'not-booted', /^$/],
  ['the same by systemd', 'Please enter passphrase for disk vda2 (root)::', 'not-booted', /^$/],
  [
    'the shell of an initramfs',
    'BusyBox v1.35 built-in shell (ash)\n(initramfs) ',
    'not-booted',
    /^$/,
  ],
  ['the shell of dracut', 'Entering emergency mode.\ndracut:/# ', 'not-booted', /^$/],
  [
    'a kernel that has stopped',
    '[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n[    1.3] ---[ end Kernel panic - not syncing: VFS ]---\n',
    'not-booted',
    /^$/,
  ],
  [
    'sulogin with a locked root',
    'Cannot open access to console, the root account is locked.\nSee sulogin(8) man page for more details.\n\nPress Enter to continue.\n',
    'not-booted',
    /^$/,
  ],
  ['somebody who logs in', 'web1 login: op\nPassword: ', 'console-busy', /^$/],
  ['an editor', vi, 'console-busy', /^[\u0003\r]+$/],
  ['a pager', 'some text\n--More--', 'console-busy', /^[\u0003\r]+$/],
  ['an end of a pager', 'some text\n(END)', 'console-busy', /^[\u0003\r]+$/],
  ['a code that is asked for', 'Verification code: ', 'auth-failed', /^$/],
  ['a new password that is asked for', 'Enter new UNIX password: ', 'auth-failed', /^$/],
  [
    'virsh that has another guest',
    'error: operation failed: Active console session exists for this domain\n',
    'console-busy',
    /^$/,
  ],
  [
    'ipmitool that has another guest',
    'Info: SOL payload already active on another session\n',
    'console-busy',
    /^$/,
  ],
  [
    'a spy of conserver',
    "[read-only -- use '^Ec?' for help; op@desk is attached]\n",
    'console-busy',
    /^$/,
  ],
  ['a console that was stolen', "[forced to `spy' mode by kim@desk]\n", 'console-busy', /^$/],
  [
    'iLO that has another guest',
    'Virtual Serial Port is currently in use by another session.\n',
    'console-busy',
    /^$/,
  ],
  [
    'EC2 that has another guest',
    'SerialConsoleSessionLimitExceeded: the session limit was reached\n',
    'console-busy',
    /^$/,
  ],
  [
    'nothing at all',
    '',
    'route-timeout',
    /^[\u0003\u0011\r]*(?: echo [0-9a-f]{6}""[0-9a-f]{6}; id -un; id -u; echo [0-9a-f]{6}""[0-9a-f]{6}[\r\u0003\u0011]+)*$/,
  ],
];

describe('a console that shows', () => {
  test.concurrent.each(screens)('%s', { timeout: 60_000 }, async (_, text, code, typed) => {
    const { route, host } = showing(text);
    const session = await route.open(new AbortController().signal);
    expect(session.ok ? 'open' : session.error.code).toBe(code);
    expect(host.typed).toMatch(typed);
    expect(host.typed).not.toContain('\u0004');
  });

  // What a client says before it ends; words that a person must see, and what to do at the provider.
  test.concurrent.each([
    ['a login that has expired', 'An error occurred (ExpiredTokenException)', /log in there again/],
    [
      'the same of Azure',
      "AADSTS700082: The refresh token has expired. Please run 'az login'",
      /log in there again/,
    ],
    ['too many requests', 'ThrottlingException: Rate exceeded', /wait a few minutes/],
    ['no right', 'ERROR: (gcloud.compute) PERMISSION_DENIED: no role', /lacks the right/],
  ])('a client that ends: %s', async (_, words, todo) => {
    const command = `printf '%s\\r\\n' "${words}"; sleep 0.2; exit 1`;
    const made = consoleOf({}, { command, hint: 'This is the hint of its maker.' });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({
      ok: false,
      error: { code: 'console-failed', todo: expect.stringMatching(todo) as string },
    });
    expect(session.ok ? '' : session.error.todo).toContain('the hint of its maker');
    expect(session.ok ? '' : session.error.why).toContain(words.slice(0, 20));
    expect(made.host.typed).toBe('');
  });

  test('a kernel that never falls silent', { timeout: 60_000 }, async () => {
    const made = consoleOf(
      {},
      {
        command:
          "stty raw -echo; while :; do printf '[ 1.2] usb 1-1: reset\\r\\n'; sleep 0.1; done",
      },
    );
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'route-timeout' } });
    expect(made.host.typed).toBe('');
  });
});

describe('a login that is refused', () => {
  test.concurrent.each([
    ['a wrong password', 'Login incorrect', /refused/],
    ['a locked account', 'The account is locked due to 3 failed logins.', /locked/],
    [
      'an expired account',
      'Your account has expired; please contact your system administrator.',
      /expired/,
    ],
    [
      'a password that must be changed',
      'You are required to change your password immediately.',
      /changed/,
    ],
    [
      'nologin',
      'System is booting up. Unprivileged users are not permitted to log in yet.',
      /closed/,
    ],
    ['root not on this terminal', 'root login refused on this terminal.', /terminal/],
    ['a login that took too long', 'Login timed out after 60 seconds', /waiting/],
  ])('%s', { timeout: 60_000 }, async (_, words, why) => {
    const command = `stty -echo; printf 'web1 login: '; read -r u; printf 'Password: '; read -r p; printf '\\n${words}\\n'; sleep 1; printf 'web1 login: '; exec cat >/dev/null`;
    const made = consoleOf({}, { command, password: 'oncexyz' });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({
      ok: false,
      error: { code: 'auth-failed', why: expect.stringMatching(why) as string },
    });
    expect(made.host.typed.split('oncexyz')).toHaveLength(2);
    expect(made.transcript()).not.toContain('oncexyz');
  });
});
