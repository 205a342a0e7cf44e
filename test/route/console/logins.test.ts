import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  atRoot,
  start,
  hasTool,
  opened,
  password,
  runOptions,
  until,
  type Given,
  type TestConsole,
} from './support.ts';

async function shows({ host }: TestConsole, pattern: RegExp): Promise<void> {
  await until(
    () => pattern.test(host.shown),
    () => `${pattern} in ${host.shown}`,
  );
}

/** Opens it, runs a program, and logs out. */
async function works({ route }: TestConsole): Promise<string> {
  const session = await opened(route);
  const options = runOptions();
  expect(await session.run('echo here', options)).toMatchObject({ ok: true, value: { code: 0 } });
  expect(options.output().toString()).toBe('here\n');
  await session.close();
  return session.elevation;
}

async function refusal({ route }: TestConsole) {
  const session = await route.open(new AbortController().signal);
  if (session.ok) throw new Error('it was let in');
  return session.error;
}

const asksRoot = `printf 'You are in emergGive root password for maintenance\\n(or press Control-D to continue): '; read -r p`;

atRoot.concurrent('the shell of sulogin', { timeout: 60_000 }, () => {
  test('with its password is used, and left open', async () => {
    const shell = `stty -echo; ${asksRoot}; [ "$p" = "$FAKE_PASSWORD" ] && exec sh -i; exec cat`;
    const made = start({ command: shell });
    await works(made);
    expect(made.notices.join()).toContain('left open');
    expect(made.host.isGone).toBe(false);
    expect(made.host.typed.split(password)).toHaveLength(2);
    expect(made.host.typed).not.toMatch(/\u0004|\r ?exit\r|^root/);
  });

  test('with a wrong password is tried once', async () => {
    const again = `printf '\\nLogin incorrect\\n\\n'; ${asksRoot}`;
    const made = start({ command: `stty -echo; ${asksRoot}; ${again}`, password: 'oncexyz' });
    expect(await refusal(made)).toMatchObject({ code: 'auth-failed' });
    expect(made.host.typed).toBe('oncexyz\r');
  });

  test('by Enter alone is used', async () => {
    const shell = `stty -echo; printf 'Press Enter for maintenance\\n(or press Control-D to continue): '; read -r p; [ -z "$p" ] && exec sh -i; exec cat`;
    const made = start({ command: shell });
    await works(made);
    expect(made.host.typed).not.toContain(password);
    expect(made.host.typed).not.toContain('\u0004');
  });

  test('is not given the password of another user', async () => {
    const made = start({ command: `stty -echo; ${asksRoot}`, user: 'op' });
    expect(await refusal(made)).toMatchObject({
      code: 'auth-failed',
      todo: expect.stringContaining('REMEDY_CONSOLE_USER=root') as string,
    });
    expect(made.host.typed).toBe('');
  });
});

const shells: [string, string][] = [
  ['fish', 'fish'],
  ['tcsh', 'tcsh'],
  ['csh', 'csh'],
  ['zsh', 'zsh -f'],
  ['bash', 'bash --norc'],
  ['busybox', 'busybox sh'],
  ['mksh', 'mksh'],
];

const menu = `sh -c 'while :; do printf "1) reboot  2) logout\\nYour choice: "; read -r x; done'`;

atRoot.concurrent('the login shell', { timeout: 60_000 }, () => {
  for (const [tool, shell] of shells) {
    test.skipIf(!hasTool(tool))(shell, async () => works(start({ shell })));
  }

  // What fish sends, so that it is tried where there is none: colours, a right prompt, a redraw of each line.
  test('whose prompt is all colours and redraws', async () => {
    const ps1 = String.raw`$(printf "\033]0;web1\007\033[?2004h\033[1;32mroot\033[0m@web1 \033[K\r\033[28C# \033[K")`;
    await works(start({ shell: `env PS1='${ps1}' sh -i` }));
  });

  test('whose prompt nobody knows', async () => {
    await works(start({ shell: `env PS1='web1 say: ' sh -i` }));
  });

  test('behind a greeting that speaks of login: and Password:', async () => {
    const words = 'Permission denied to strangers. Your account has expired, said they.';
    const motd = `printf '%s\\n' '${words}' 'web1 login:' 'Password:'`;
    await works(start({ shell: `sh -c "${motd}; exec sh -i"` }));
  });

  test.each([
    ['that is restricted', 'bash --norc -r', 'shell-missing'],
    [
      'that is none',
      `sh -c 'echo This account is currently not available.; sleep 1'`,
      'auth-failed',
    ],
    ['that is a menu', menu, 'shell-missing'],
  ])('%s is refused', async (_, shell, code) => {
    const made = start({ shell });
    const failure = await refusal(made);
    expect(failure, JSON.stringify(failure)).toMatchObject({ code });
    expect(made.host.typed).not.toContain('#0 ');
    if (shell !== menu) {
      // It was left at its login.
      await shows(made, /web1 login: [\s\S]*web1 login: $/);
    }
  });
});

/** A terminal where `id` and `sudo` are ours: one user, who is root behind that sudo. */
function withSudo(kind: string, given: Given = {}): TestConsole {
  const made = start({
    user: 'op',
    ...given,
    shell: `env PATH="$FAKE_HOME/bin:$PATH" FAKE_SUDO=${kind} sh -i`,
  });
  mkdirSync(join(made.home, 'bin'));
  const put = (name: string, text: string): void => {
    writeFileSync(join(made.home, 'bin', name), text);
    chmodSync(join(made.home, 'bin', name), 0o755);
  };
  put('id', fakeId);
  put('sudo', fakeSudo);
  return made;
}

const fakeId = `#!/bin/sh
case $FAKE_ROOT.$1 in 1.-un) echo root ;; 1.-u) echo 0 ;; *.-un) echo "\${FAKE_NAME:-op}" ;; *) echo 1000 ;; esac
`;

const fakeSudo = `#!/bin/sh
echo "$*" >>"$FAKE_HOME/sudo"
while [ $# -gt 0 ]; do case $1 in -k) k=1; shift ;; -p) p=$2; shift 2 ;; *) break ;; esac; done
become() { PATH=\${PATH#*:} exec env FAKE_ROOT=1 "$@"; }
case $FAKE_SUDO in
free) become "$@" ;;
cached) [ -n "$k" ] || become "$@" ;;
none) echo 'op is not in the sudoers file.'; exit 1 ;;
rs) p='[sudo: authenticate] Password: ' ;;
realm) p='Password for op@REALM: ' ;;
code) p='Verification code: ' ;;
pin) p='Your PIN, please: ' ;;
lecture) printf 'We trust you have received the usual lecture.\\n\\n    #1) Respect the privacy of others.\\n\\n' ;;
slow) sleep 1 ;;
esac
if [ "$FAKE_SUDO" = echoes ]; then stty echo; else stty -echo; fi
printf %s "$p"; read -r got; stty echo; echo
echo "answer: $got." >>"$FAKE_HOME/sudo"
if [ "$got" != "$FAKE_PASSWORD" ]; then
sleep 1.5; echo 'Sorry, try again.'; stty -echo; printf %s "$p"; read -r got; stty echo
echo "second try: $got" >>"$FAKE_HOME/sudo"; exit 1
fi
[ "$FAKE_SUDO" != second ] || { stty -echo; printf 'Verification code: '; read -r got; stty echo; echo; echo "second try: $got" >>"$FAKE_HOME/sudo"; exit 1; }
[ "$FAKE_SUDO" != late ] || { echo 'op is not in the sudoers file.  This incident has been reported.'; exit 1; }
become "$@"
`;

atRoot.concurrent('sudo at a console', { timeout: 60_000 }, () => {
  test.each([
    ['that asks', 'asks', 'sudo-password'],
    ['that is slow to ask', 'slow', 'sudo-password'],
    ['of Rust, with its own prompt', 'rs', 'sudo-password'],
    ['with its lecture', 'lecture', 'sudo-password'],
    ['that remembers: it is asked all the same', 'cached', 'sudo-password'],
    ['without a password', 'free', 'sudo'],
  ])('%s', async (_, kind, elevation) => {
    const made = withSudo(kind);
    expect(await works(made)).toBe(elevation);
    // Once for the login, and once where sudo asked.
    const typed = made.host.typed.split(password).length - 1;
    expect(typed).toBe(elevation === 'sudo' ? 1 : 2);
    expect(made.transcript()).not.toContain(password);
  });

  test.each([
    ['that knows us not', 'none', 'It was refused'],
    ['that says no behind the password', 'late', 'It was refused'],
  ])('%s', async (_, kind, why) => {
    const made = withSudo(kind);
    expect(await refusal(made)).toMatchObject({
      code: 'no-sudo',
      why: expect.stringContaining(why) as string,
    });
    await shows(made, /web1 login: [\s\S]*web1 login: $/);
  });

  test.each([
    ['by the prompt of Kerberos', 'realm', 0],
    ['for a code', 'code', 0],
    ['by a prompt that nobody knows', 'pin', 0],
    ['for a second factor behind the password', 'second', 1],
  ])('that asks %s is not answered by a command', async (_, kind, answers) => {
    const made = withSudo(kind, { times: { login: 4000 } });
    expect(await refusal(made)).toMatchObject({
      code: 'no-sudo',
      why: expect.stringContaining('asks for something else') as string,
    });
    await shows(made, /web1 login: [\s\S]*web1 login: $/);
    const said = readFileSync(join(made.home, 'sudo'), 'utf8');
    expect(said.match(/^(?:answer|second try): .*/gm) ?? []).toEqual(
      answers === 0 ? [] : [`answer: ${password}.`],
    );
  });

  test('whose password is shown: it is said, and the login ends', async () => {
    const made = withSudo('echoes');
    const failure = await refusal(made);
    expect(failure).toMatchObject({
      code: 'auth-failed',
      what: expect.stringContaining('sudo password was shown') as string,
    });
    expect(JSON.stringify(failure)).not.toContain(password);
    await shows(made, /web1 login: [\s\S]*web1 login: $/);
  });

  test('in a shell whose prompt is handed on', async () => {
    const made = withSudo('asks', { environment: { PS1: 'web1 # ' } });
    const began = performance.now();
    expect(await works(made)).toBe('sudo-password');
    expect(performance.now() - began).toBeLessThan(12_000);
  });

  test('that refuses the password is asked once, and the login ends', async () => {
    const made = withSudo('asks', { sudoPassword: 'wrongxyz' });
    expect(await refusal(made)).toMatchObject({
      code: 'no-sudo',
      why: expect.stringContaining('typed once') as string,
    });
    await shows(made, /web1 login: [\s\S]*web1 login: $/);
    expect(made.host.typed.split('wrongxyz')).toHaveLength(2);
    expect(readFileSync(join(made.home, 'sudo'), 'utf8')).not.toContain('second try');
    expect(made.transcript()).not.toContain('wrongxyz');
  });
});

atRoot.concurrent('a console on which somebody left', { timeout: 60_000 }, () => {
  test('the shell of another user: it is ended, and we log in', async () => {
    const left = 'env PATH="$FAKE_HOME/bin:$PATH" FAKE_NAME=kim sh -i; ';
    const made = start({ command: `${left} exec sh ${import.meta.dirname}/fake-login.sh` });
    mkdirSync(join(made.home, 'bin'));
    writeFileSync(join(made.home, 'bin', 'id'), fakeId);
    chmodSync(join(made.home, 'bin', 'id'), 0o755);
    await works(made);
    expect(made.notices).toEqual([]);
    expect(made.host.typed).toContain(password);
  });

  test('a job that is stopped: nothing of it is lost', async () => {
    const made = start({ command: `PS1='# ' exec bash --norc -i` });
    await shows(made, /# /);
    const wire = made.host.wire();
    wire.write(Buffer.from('sleep 3210\r'));
    await shows(made, /3210/);
    await until(
      () => {
        wire.write(Buffer.from('\u001a'));
        return /Stopped/.test(made.host.shown);
      },
      () => made.host.shown,
    );
    expect(await refusal(made)).toMatchObject({ code: 'console-busy' });
    expect(made.host.typed).not.toMatch(/exec|exit/);
    expect(made.host.isGone).toBe(false);
  });

  // What vim answers to Enter and to Ctrl-C, so that it is tried where there is none.
  test('an editor that answers by places on the screen: nothing is typed into it', async () => {
    const answer = String.raw`printf '\033[24;53H^M\033[1;1H\033[24;53H  \033[2;1H'`;
    const command = `stty raw -echo; while :; do dd bs=1 count=1 2>/dev/null >/dev/null; ${answer}; done`;
    const made = start({ command });
    expect(await refusal(made)).toMatchObject({ code: 'console-busy' });
    expect(made.host.typed).toMatch(/^[\r\u0003\u0011]+$/);
  });

  const file = (home: string): string => join(home, 'text');

  test.skipIf(!hasTool('vi')).each([
    ['as it was', ''],
    ['in the middle of a word', 'ihalf a wor'],
  ])('vi: it stays %s', async (_, typed) => {
    const made = start({
      command: 'printf "one\\ntwo\\n" >$FAKE_HOME/text; exec vi $FAKE_HOME/text',
    });
    await shows(made, /two/);
    made.host.wire().write(Buffer.from(typed));
    await until(
      () => made.host.typed === typed,
      () => made.host.typed,
    );
    expect(await refusal(made)).toMatchObject({ code: 'console-busy' });
    expect(made.host.typed.slice(typed.length)).toMatch(/^[\r\u0003\u0011]+$/);
    expect(readFileSync(file(made.home), 'utf8')).toBe('one\ntwo\n');
    expect(made.host.isGone).toBe(false);
  });

  test.skipIf(!hasTool('less'))('less: it stays', async () => {
    const made = start({ command: 'seq 1 300 >$FAKE_HOME/text; exec less $FAKE_HOME/text' });
    await shows(made, /text/);
    expect(await refusal(made)).toMatchObject({ code: 'console-busy' });
    expect(made.host.typed).toMatch(/^[\r\u0003\u0011]+$/);
  });

  test.skipIf(!hasTool('top'))(
    'top: Ctrl-C ends it, and nothing else is typed into it',
    async () => {
      const made = start({ command: `trap : INT; stty rows 24 cols 80; top; PS1='# ' exec sh -i` });
      await shows(made, /load average/);
      await works(made);
      expect(made.host.typed).toMatch(/^\r?[\u0011]?\u0003\r/);
    },
  );
});
