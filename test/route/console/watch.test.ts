import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { ok } from '../../../src/core/result.ts';
import { Secret } from '../../../src/core/secret.ts';
import { agentLines } from '../../../src/route/console/agent.ts';
import { armDeadMan } from '../../../src/route/console/become-root.ts';
import type { Dialogue } from '../../../src/route/console/dialogue.ts';
import { createConsoleRoute } from '../../../src/route/console/route.ts';
import type { Route } from '../../../src/route/route.ts';
import {
  atRoot,
  filesOf,
  start,
  hasTool,
  numberedShell,
  opened,
  password,
  runOptions,
  until,
  untilGone,
  user,
  type TestConsole,
} from './support.ts';

const shells = ['dash', 'bash', 'busybox sh', 'mksh'].filter((shell) =>
  hasTool(shell.split(' ')[0] ?? ''),
);

/** The functions of the agent that guard its shell. */
function functionsOf(spares = false): string[] {
  const text = agentLines({ nonce: 'n', session: 's', deadManSeconds: 15, spares });
  const at = (start: string): number => text.findIndex((line) => line.startsWith(start));
  return text.slice(at('born()'), at('go=yes'));
}

function run(shell: string, script: readonly string[], ...given: readonly string[]) {
  const file = join(mkdtempSync(join(tmpdir(), 'remedy-script-')), 'script');
  writeFileSync(file, `${script.join('\n')}\n`);
  const [command = '', ...words] = shell.split(' ');
  const options = { encoding: 'utf8', timeout: 10_000 } as const;
  return spawnSync(command, [...words, file, ...given], options);
}

/**
 * Runs the guard of the agent alone, without waiting, on a shell that began at each look at the time that
 * `births` says; says what it killed and what was left.
 */
function guarded(shell: string, births: readonly string[], spares = false, before = '') {
  const functions = functionsOf(spares);
  const folder = mkdtempSync(join(tmpdir(), 'remedy-watch-'));
  const script = [
    `D=$1 DEAD=15 SPARE=${spares ? 'yes' : ''} log=$1.log`,
    ...functions,
    'sleep() { :; }',
    'quiet() { :; }',
    'kill() { [ "$1" = -0 ] || echo "$*" >>"$log"; }',
    'echo 1 >"$D/beat"; : >"$log"',
    before,
    `births='${births.join(' ')}'`,
    'born() { b=${births%% *}; births=${births#* }; }',
    'watch 4242',
  ];
  const ran = run(shell, script, folder);
  expect(ran.stderr).toBe('');
  const killed = readFileSync(`${folder}.log`, 'utf8').trim().split('\n');
  return { killed: killed.join(), left: spawnSync('test', ['-d', folder]).status === 0 };
}

describe.each(shells)('the guard in %s', (shell) => {
  const lives = Array.from({ length: 9 }, () => '7');
  const both = '-HUP 4242,-KILL 4242';

  test.each([
    ['ends a shell that nobody speaks to', lives, false, '', both],
    ['ends it where nothing tells when it began', ['""', '""'], false, '', both],
    ['ends nothing where the number is of another process', ['7', '8', '8'], false, '', ''],
    ['nor where it becomes that later', ['7', '7', '8', '8'], false, '', ''],
    [
      'nor while a program is there',
      ['7', '8', '8', '8', '8', '8'],
      false,
      'mkdir "$D/run-k1"',
      '',
    ],
    [
      'ends it once only, where it goes at the first word',
      ['7', '7', '7', '7', '7', '8'],
      false,
      '',
      '-HUP 4242',
    ],
    ['ends no shell that a boot waits for', lives, true, '', ''],
    ['ends no shell that a later run has', lives, false, 'echo >"$D/taken"', ''],
  ])('%s, and cleans up', (_, births, spares, before, killed) => {
    expect(guarded(shell, births, spares, before)).toEqual({ killed, left: false });
  });
});

describe.each(shells)('a look at %s', (shell) => {
  test('tells when it began, and that of another', () => {
    const script = [
      ...functionsOf(),
      'born $$; put() { echo "$1"; }; put "$b"; cut -d" " -f22 /proc/$$/stat',
    ];
    const [told, right] = run(shell, script).stdout.split('\n');
    expect(told).toMatch(/^\d+$/);
    expect(told).toBe(right);
  });

  test('before the agent: ends it, and nobody later', async () => {
    const typed: string[] = [];
    const line = { type: (text: string) => typed.push(text.replaceAll('\r', '\n')) };
    const dialogue = { line, ask: async () => ['armed'] } as unknown as Dialogue;
    expect(await armDeadMan(dialogue, 5)).toBe(true);
    const script = (births: string): string[] => [
      'sleep() { command sleep 0.3; }',
      typed.join('').replace(';o=;b;', `;${births}o=;b;`),
      'command sleep 1.5; echo lives',
    ];
    expect(run(shell, script('')).signal).toMatch(/SIG(?:HUP|KILL)/);
    // Each look finds another time.
    const later = run(shell, script('b(){ n=$((n+1));s=$n;};'));
    expect([later.signal, later.stdout]).toEqual([null, 'lives\n']);
  });
});

/** Another run over the console of a host. */
function anotherRun({ host }: TestConsole, mark: string): Route {
  return createConsoleRoute({
    text: 'a later test',
    address: { type: 'unix', path: '/nowhere' },
    hint: null,
    user,
    password: new Secret(password),
    askPassword: async () => null,
    sudoPassword: null,
    environment: {},
    recorder: null,
    onNotice: () => {},
    mark,
    times: { quiet: 800, settle: 150, answer: 2500, login: 8000, stray: 3000, noise: 6000 },
    wire: async () => ok(host.wire()),
  });
}

atRoot.concurrent('a console whose run has died', { timeout: 90_000 }, () => {
  test.each([
    ['with its agent', /:p \d+ \d+ \.\r/],
    ['before its agent came', /REMEDY_RW=\$!\r[^]*unset HISTFILE PROMPT/],
  ])('%s: a later run keeps the shell, and nothing is left', async (_, dies) => {
    const mark = `later${randomBytes(4).toString('hex')}`;
    const made = start({ deadManSeconds: 10, mark, mostLines: 1 });
    made.host.when('typed', dies, () => setTimeout(() => made.host.cut(), 500));
    void made.route.open(new AbortController().signal);
    await until(
      () => dies.test(made.host.typed),
      () => made.host.typed,
    );
    await new Promise((resolve) => setTimeout(resolve, 700));
    const session = await opened(anotherRun(made, mark));
    const options = runOptions();
    expect(await session.run('sleep 22; echo "$PPID"; exit 3', options)).toMatchObject({
      ok: true,
      value: { type: 'code', code: 3 },
    });
    // The first login, and no other.
    expect(made.host.shown.split('You have no mail')).toHaveLength(2);
    await session.close();
    await untilGone(mark);
  });
});

atRoot.concurrent('a shell that ends by itself', { timeout: 60_000 }, () => {
  test('leaves no file behind, long before the time is over', async () => {
    const mark = `ended${randomBytes(4).toString('hex')}`;
    const made = start({ mark, shell: numberedShell, deadManSeconds: 900, mostLines: 1 });
    await opened(made.route);
    expect(filesOf(mark)).toHaveLength(1);
    made.host.cut();
    process.kill(Number(readFileSync(join(made.home, 'shell'), 'utf8')), 'SIGKILL');
    await untilGone(mark);
  });
});
