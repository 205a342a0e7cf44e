import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { createExecRoute, splitCommand } from '../../src/route/exec.ts';
import type { Argv } from '../../src/core/quote.ts';
import type { Route, Session } from '../../src/route/route.ts';
import { temporaryDirectory } from './support/files.ts';
import { never, run } from './support/ready.ts';

const noSudo = { sudoPassword: null, askSudoPassword: async () => null, environment: process.env };

async function open(route: Route): Promise<Session> {
  const opened = await route.open(never);
  if (!opened.ok) {
    throw new Error(JSON.stringify(opened.error));
  }
  onTestFinished(async () => opened.value.close());
  return opened.value;
}

function execRoute(argv: Argv, more: Partial<Parameters<typeof createExecRoute>[0]> = {}): Route {
  return createExecRoute({ ...noSudo, argv, ...more });
}

describe('splitting a command', () => {
  test.each([
    ["docker exec -i 'web 1' sh", ['docker', 'exec', '-i', 'web 1', 'sh']],
    ['a "b c" d\\ e', ['a', 'b c', 'd e']],
    ['echo $HOME *', ['echo', '$HOME', '*']],
  ])('%s', (text, argv) => {
    expect(splitCommand(text)).toEqual({ ok: true, value: argv });
  });

  test.each([
    ['', 'It is empty.'],
    ['   ', 'It is empty.'],
    ["sh -c 'open", 'A quotation mark is not closed.'],
    ['sh \\', 'It ends with a single backslash.'],
  ])('%j is refused', (text, why) => {
    expect(splitCommand(text)).toMatchObject({ ok: false, error: { code: 'usage', why } });
  });
});

describe('a command that gives no shell', () => {
  test('is missing', async () => {
    const opened = await execRoute(['/no/such/command']).open(never);
    expect(opened).toMatchObject({
      ok: false,
      error: { code: 'exec-failed', why: 'There is no such command on this machine.' },
    });
  });

  test('may not be executed', async () => {
    const file = join(temporaryDirectory(), 'plain');
    writeFileSync(file, '');
    const opened = await execRoute([file]).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'exec-failed' } });
  });

  test('ends early: its status and its last words are told', async () => {
    const opened = await execRoute(['sh', '-c', 'echo "no such container" >&2; exit 7']).open(
      never,
    );
    expect(opened).toMatchObject({ ok: false, error: { code: 'exec-failed' } });
    const why = opened.ok ? '' : opened.error.why;
    expect(why).toContain('with status 7');
    expect(why).toContain('no such container');
  });
});

describe('noise before the shell', () => {
  test('is dropped, however long, and never reaches the output', async () => {
    const session = await open(
      execRoute(['sh', '-c', 'head -c 100000000 /dev/zero; echo; echo motd >&2; exec sh']),
    );
    expect((await run(session, 'echo clean')).output.toString()).toBe('clean\n');
  }, 30_000);

  test('an echo of what is sent is no answer', async () => {
    const opened = await execRoute(['cat'], { replyMs: 200 }).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'route-timeout' } });
  });
});

test('secrets of ours and our own login are not in the environment of the command', async () => {
  const environment = {
    ...process.env,
    REMEDY_SSH_PASSWORD: 'a',
    REMEDY_SUDO_PASSWORD: 'b',
    REMEDY_KEY_PASSPHRASE: 'c',
    REMEDY_OTHER: 'd',
    SSH_CONNECTION: '192.0.2.1 1 192.0.2.2 22',
  };
  const session = await open(execRoute(['sh'], { environment }));
  const { output } = await run(session, 'env');
  expect(output.toString()).not.toMatch(/REMEDY_.*(PASSWORD|PASSPHRASE)/);
  expect(output.toString()).toContain('REMEDY_OTHER=d');
  expect(session.connection).toBeNull();
});

/**
 * A stand-in for sudo, and for `id`, so that the way through sudo is walked by any user. It counts
 * each password it reads; what it does with the first one is up to the test.
 */
function fakeSudo(script: { withN?: string; prompt?: string; onPassword?: string }): {
  argv: Argv;
  passwords: () => string[];
} {
  const directory = temporaryDirectory();
  const log = join(directory, 'passwords');
  writeFileSync(join(directory, 'id'), '#!/bin/sh\necho 1000\n');
  writeFileSync(
    join(directory, 'sudo'),
    `#!/bin/sh
if [ "$1" = -n ]; then
  shift
  ${script.withN ?? 'echo "sudo: a password is required" >&2; exit 1'}
fi
shift
prompt=${script.prompt ?? '$2'}
shift 2
ask() { printf '%s' "$prompt" >&2; IFS= read -r password || exit 1; printf '%s\\n' "$password" >> ${log}; }
echo 'We trust you have received the usual lecture.' >&2
ask
${script.onPassword ?? 'exec "$@"'}
`,
  );
  chmodSync(join(directory, 'sudo'), 0o755);
  chmodSync(join(directory, 'id'), 0o755);
  return {
    argv: ['env', `PATH=${directory}:${process.env['PATH'] ?? ''}`, 'sh'],
    passwords: () => (existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : []),
  };
}

describe('the way through sudo', () => {
  const password = { sudoPassword: new Secret('s3cret pass') };

  test('needs no password where sudo -n works', async () => {
    const sudo = fakeSudo({ withN: 'exec "$@"' });
    const session = await open(execRoute(sudo.argv));
    expect(session.elevation).toBe('sudo');
    expect((await run(session, 'echo done')).output.toString()).toBe('done\n');
  });

  test('types the password once for each shell', async () => {
    const sudo = fakeSudo({});
    const session = await open(execRoute(sudo.argv, password));
    expect(session.elevation).toBe('sudo-password');
    expect((await run(session, 'echo one')).output.toString()).toBe('one\n');
    expect(sudo.passwords()).toEqual(['s3cret pass']);
    expect((await run(session, 'echo two')).output.toString()).toBe('two\n');
    expect(sudo.passwords()).toEqual(['s3cret pass', 's3cret pass']);
  });

  test('asks a person once where no password is given', async () => {
    const sudo = fakeSudo({});
    const asked: string[] = [];
    const route = execRoute(sudo.argv, {
      askSudoPassword: async (prompt) => {
        asked.push(prompt);
        return new Secret('typed');
      },
    });
    const session = await open(route);
    await run(session, 'true');
    await run(session, 'true');
    expect(asked).toHaveLength(1);
    expect(sudo.passwords()).toEqual(['typed', 'typed']);
  });

  test('starts no sudo where nobody has a password', async () => {
    const sudo = fakeSudo({});
    const opened = await execRoute(sudo.argv).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'no-sudo' } });
    expect(opened.ok ? '' : opened.error.why).toContain('a password is required');
    expect(sudo.passwords()).toEqual([]);
  });

  test.each([
    ['a second prompt', 'sleep 0; ask; exec "$@"'],
    ['"try again"', 'echo "Sorry, try again." >&2; read -r again; exit 1'],
    ['an ending', 'echo "sudo: 1 incorrect password attempt" >&2; exit 1'],
  ])('stops after one wrong password, told by %s', async (_name, onPassword) => {
    const sudo = fakeSudo({ onPassword });
    const opened = await execRoute(sudo.argv, password).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'sudo-password' } });
    expect(JSON.stringify(opened)).not.toContain('s3cret');
    expect(sudo.passwords()).toEqual(['s3cret pass']);
  });

  test.each([
    [
      'a tty',
      { withN: 'echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1' },
      'requiretty',
    ],
    ['leave', { onPassword: 'echo "joe is not in the sudoers file." >&2; exit 1' }, 'not allowed'],
  ])('tells that sudo wants %s', async (_name, script, why) => {
    const opened = await execRoute(fakeSudo(script).argv, password).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'no-sudo' } });
    expect(opened.ok ? '' : opened.error.why).toContain(why);
  });

  test('types nothing to a prompt that is not its own', async () => {
    const sudo = fakeSudo({ prompt: "'Password: '" });
    const opened = await execRoute(sudo.argv, { ...password, replyMs: 500 }).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'no-sudo' } });
    expect(sudo.passwords()).toEqual([]);
  });

  test('does not wait for ever', async () => {
    const sudo = fakeSudo({ withN: 'exec sleep 60' });
    const opened = await execRoute(sudo.argv, { ...password, replyMs: 500 }).open(never);
    expect(opened).toMatchObject({ ok: false, error: { code: 'no-sudo' } });
    expect(opened.ok ? '' : opened.error.what).toContain('did not answer');
  });
});
